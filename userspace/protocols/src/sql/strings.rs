//! Strings and quoted names, in all of PostgreSQL's forms (documentation chapter 4.1.2).

use super::lexer::{Lexer, Unclear, continues_name, truncated};

impl Lexer<'_> {
    pub(super) fn quoted_name(&mut self) -> Result<String, Unclear> {
        let name = self.until_quote('"')?;
        if name.is_empty() {
            return Err(Unclear);
        }
        Ok(truncated(&name))
    }

    /// `'..'` with standard_conforming_strings on; segments on several lines are one string.
    pub(super) fn plain_string(&mut self) -> Result<String, Unclear> {
        let mut value = self.until_quote('\'')?;
        while self.continues_on_next_line()? {
            value.push_str(&self.until_quote('\'')?);
        }
        Ok(value)
    }

    /// What stands between quotes, a doubled quote being one of it.
    fn until_quote(&mut self, mark: char) -> Result<String, Unclear> {
        let mut value = String::new();
        self.at += 1;
        loop {
            let (piece, _) = self.rest().split_once(mark).ok_or(Unclear)?;
            value.push_str(piece);
            self.at += piece.len() + 1;
            if !self.rest().starts_with(mark) {
                return Ok(value);
            }
            value.push(mark);
            self.at += 1;
        }
    }

    /// Moves to the next segment of a string, which must start on another line.
    fn continues_on_next_line(&mut self) -> Result<bool, Unclear> {
        let start = self.at;
        self.skip_blank()?;
        let gap = self.since(start);
        if self.byte(0) != Some(b'\'') {
            self.at = start;
            return Ok(false);
        }
        if gap.contains("/*") || !gap.contains(['\n', '\r']) {
            // 'a' 'b' on one line is a syntax error, and so is a block comment between them.
            return Err(Unclear);
        }
        Ok(true)
    }

    pub(super) fn escape_string(&mut self) -> Result<String, Unclear> {
        let mut value = String::new();
        self.at += 2;
        loop {
            let c = self.rest().chars().next().ok_or(Unclear)?;
            self.at += c.len_utf8();
            match c {
                '\'' if self.byte(0) == Some(b'\'') => {
                    value.push('\'');
                    self.at += 1;
                }
                '\'' => {
                    let end = self.at;
                    if self.continues_on_next_line()? {
                        // Rare enough to be read by people.
                        return Err(Unclear);
                    }
                    self.at = end;
                    return Ok(value);
                }
                '\\' => value.push(self.escape()?),
                _ => value.push(c),
            }
        }
    }

    /// One escape of an `E'..'` string, behind its backslash.
    fn escape(&mut self) -> Result<char, Unclear> {
        let c = self.rest().chars().next().ok_or(Unclear)?;
        self.at += c.len_utf8();
        let code = match c {
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            '0'..='7' => {
                self.at -= 1;
                self.digits(8, 3)?
            }
            'x' => self.digits(16, 2)?,
            'u' => self.digits(16, 4)?,
            'U' => self.digits(16, 8)?,
            _ => return Ok(c),
        };
        // A byte of a longer character cannot be told without its neighbours.
        if (0x80..=0xff).contains(&code) && matches!(c, 'x' | '0'..='7') {
            return Err(Unclear);
        }
        char::from_u32(code).filter(|c| *c != '\0').ok_or(Unclear)
    }

    fn digits(&mut self, radix: u32, most: usize) -> Result<u32, Unclear> {
        let digits: String = self
            .rest()
            .chars()
            .take(most)
            .take_while(|c| c.is_digit(radix))
            .collect();
        self.at += digits.len();
        u32::from_str_radix(&digits, radix).map_err(|_| Unclear)
    }

    pub(super) fn bit_string(&mut self) -> Result<String, Unclear> {
        let start = self.at;
        self.at += 1;
        let bits = self.until_quote('\'')?;
        if !bits.bytes().all(|b| b.is_ascii_hexdigit()) || self.continues_on_next_line()? {
            return Err(Unclear);
        }
        Ok(self.since(start).to_owned())
    }

    /// `$tag$ .. $tag$`.
    pub(super) fn dollar_string(&mut self) -> Result<String, Unclear> {
        let start = self.at;
        self.at += 1;
        self.skip_while(|b| continues_name(b) && b != b'$');
        if self.byte(0) != Some(b'$') {
            return Err(Unclear);
        }
        self.at += 1;
        let delimiter = self.since(start);
        let (value, _) = self.rest().split_once(delimiter).ok_or(Unclear)?;
        self.at += value.len() + delimiter.len();
        Ok(value.to_owned())
    }
}
