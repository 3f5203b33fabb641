//! PostgreSQL's lexical rules (documentation chapter 4.1, `scan.l`), to the letter.
//!
//! The parser behind this module does not agree with PostgreSQL about every comment, escape
//! and quote, and a difference in where a string ends is a way past the gate. So the text is
//! cut into tokens here, by the server's own rules, and what the parser gets to see is
//! written anew from the tokens: comments gone, every string in its plainest form.

use super::limits::{IDENTIFIER_BYTES, MAX_TOKENS};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unquoted name or key word; its text is in lower case.
    Word,
    /// A quoted name; its text is what stands between the quotes.
    Quoted,
    /// A string constant of any form; its text is its value.
    Text,
    /// A bit string, hexadecimal string.
    Bits,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// An operator of one or more characters.
    Operator,
    /// One of `( ) [ ] , ; . :`, and `::`, `:=`, `..`.
    Punctuation,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Where it starts in the message.
    pub(crate) start: usize,
    /// Where it ends in the message.
    pub(crate) end: usize,
}

impl Token {
    /// Whether it is this key word, unquoted.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// Whether it is this punctuation or operator.
    pub(crate) fn is(&self, symbol: &str) -> bool {
        matches!(self.kind, Kind::Punctuation | Kind::Operator) && self.text == symbol
    }

    /// The name that it is, if it can be one.
    pub(crate) fn name(&self) -> Option<&str> {
        matches!(self.kind, Kind::Word | Kind::Quoted).then_some(self.text.as_str())
    }

    /// Writes it in the form that no two readers understand differently.
    fn render(&self, out: &mut String) {
        match self.kind {
            Kind::Quoted => quote(&self.text, '"', out),
            Kind::Text => quote(&self.text, '\'', out),
            Kind::Word
            | Kind::Bits
            | Kind::Number
            | Kind::Parameter
            | Kind::Operator
            | Kind::Punctuation => out.push_str(&self.text),
        }
    }
}

fn quote(text: &str, mark: char, out: &mut String) {
    out.push(mark);
    for c in text.chars() {
        if c == mark {
            out.push(mark);
        }
        out.push(c);
    }
    out.push(mark);
}

/// Writes tokens as SQL again: one blank wherever there was something between two.
#[derive(Default)]
pub(crate) struct Writer {
    out: String,
    end: Option<usize>,
}

impl Writer {
    /// Writes a token in the form that no two readers understand differently.
    pub(crate) fn write(&mut self, token: &Token) {
        self.gap(token);
        token.render(&mut self.out);
    }

    /// Writes this in place of a token.
    pub(crate) fn write_as(&mut self, token: &Token, text: &str) {
        self.gap(token);
        self.out.push_str(text);
    }

    fn gap(&mut self, token: &Token) {
        if self.end.is_some_and(|end| end != token.start) {
            self.out.push(' ');
        }
        self.end = Some(token.end);
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

/// Why a text cannot be cut into tokens for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unclear;

/// The tokens of a text.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Unclear> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let Some((kind, text)) = lexer.token()? else {
            return Ok(tokens);
        };
        if tokens.len() >= MAX_TOKENS {
            return Err(Unclear);
        }
        let end = lexer.at;
        tokens.push(Token {
            kind,
            text,
            start,
            end,
        });
    }
}

/// Reads a text from its front.
pub(super) struct Lexer<'a> {
    text: &'a str,
    pub(super) at: usize,
}

const OPERATOR: &[u8] = b"+-*/<>=~!@#%^&|?";

fn starts_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

pub(super) fn continues_name(b: u8) -> bool {
    starts_name(b) || b.is_ascii_digit() || b == b'$'
}

impl<'a> Lexer<'a> {
    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn starts_with(&self, what: &str) -> bool {
        self.rest().starts_with(what)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Everything from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.byte(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    /// Skips blanks and comments. A line comment ends at a carriage return too.
    pub(super) fn skip_blank(&mut self) -> Result<(), Unclear> {
        loop {
            self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
            if self.starts_with("--") {
                self.skip_while(|b| b != b'\n' && b != b'\r');
            } else if self.starts_with("/*") {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Skips a comment; they nest.
    fn skip_comment(&mut self) -> Result<(), Unclear> {
        let mut depth = 0_u32;
        loop {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if self.byte(0).is_some() {
                self.at += 1;
            } else {
                return Err(Unclear);
            }
        }
    }

    fn token(&mut self) -> Result<Option<(Kind, String)>, Unclear> {
        let Some(b) = self.byte(0) else {
            return Ok(None);
        };
        let next = self.byte(1);
        let token = match b {
            b'\'' => (Kind::Text, self.plain_string()?),
            b'e' | b'E' if next == Some(b'\'') => (Kind::Text, self.escape_string()?),
            b'n' | b'N' if next == Some(b'\'') => {
                self.at += 1;
                (Kind::Text, self.plain_string()?)
            }
            b'b' | b'B' | b'x' | b'X' if next == Some(b'\'') => (Kind::Bits, self.bit_string()?),
            b'u' | b'U' if self.unicode_escapes() => return Err(Unclear),
            b'"' => (Kind::Quoted, self.quoted_name()?),
            b'$' if next.is_some_and(|n| n.is_ascii_digit()) => {
                (Kind::Parameter, self.parameter()?)
            }
            b'$' => (Kind::Text, self.dollar_string()?),
            _ if starts_name(b) => (Kind::Word, self.word()),
            _ if b.is_ascii_digit() => (Kind::Number, self.number()?),
            b'.' if next.is_some_and(|n| n.is_ascii_digit()) => (Kind::Number, self.number()?),
            _ if OPERATOR.contains(&b) => (Kind::Operator, self.operator()),
            _ => (Kind::Punctuation, self.punctuation()?),
        };
        Ok(Some(token))
    }

    /// `U&'..'` and `U&".."`: rare, with an escape character that a later word can change.
    fn unicode_escapes(&self) -> bool {
        self.byte(1) == Some(b'&') && matches!(self.byte(2), Some(b'\'' | b'"'))
    }

    fn word(&mut self) -> String {
        let start = self.at;
        self.skip_while(continues_name);
        truncated(&self.since(start).to_ascii_lowercase())
    }

    fn parameter(&mut self) -> Result<String, Unclear> {
        let start = self.at;
        self.at += 1;
        self.skip_while(|b| b.is_ascii_digit());
        self.ends_here(start)
    }

    /// A number, in the forms of PostgreSQL 16 too (`0x1f`, `1_000`).
    fn number(&mut self) -> Result<String, Unclear> {
        let start = self.at;
        self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        if self.since(start) == "0"
            && matches!(self.byte(0), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B'))
        {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_hexdigit() || b == b'_');
            return self.ends_here(start);
        }
        // `1..10` is a range in PL/pgSQL, two dots are no part of a number.
        if self.byte(0) == Some(b'.') && self.byte(1) != Some(b'.') {
            self.at += 1;
            self.skip_while(|b| b.is_ascii_digit() || b == b'_');
        }
        if matches!(self.byte(0), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(self.byte(1), Some(b'+' | b'-')));
            if self.byte(1 + signed).is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1 + signed;
                self.skip_while(|b| b.is_ascii_digit() || b == b'_');
            }
        }
        self.ends_here(start)
    }

    /// What follows at once must not be a name: versions differ about `1select`.
    fn ends_here(&self, start: usize) -> Result<String, Unclear> {
        match self.byte(0) {
            Some(b) if continues_name(b) => Err(Unclear),
            _ => Ok(self.since(start).to_owned()),
        }
    }

    /// The longest operator; a comment ends it, and so do `+` and `-` at the end of one that
    /// has none of the characters in `~ ! @ # % ^ & | ?`.
    fn operator(&mut self) -> String {
        let start = self.at;
        while self.byte(0).is_some_and(|b| OPERATOR.contains(&b))
            && !(self.at > start && (self.starts_with("--") || self.starts_with("/*")))
        {
            self.at += 1;
        }
        let special = |b: u8| b"~!@#%^&|?".contains(&b);
        while self.at > start + 1
            && self.since(start).ends_with(['+', '-'])
            && !self.since(start).bytes().any(special)
        {
            self.at -= 1;
        }
        self.since(start).to_owned()
    }

    fn punctuation(&mut self) -> Result<String, Unclear> {
        let length = if ["::", ":=", ".."].iter().any(|two| self.starts_with(two)) {
            2
        } else {
            1
        };
        let start = self.at;
        match self.byte(0) {
            Some(b'(' | b')' | b'[' | b']' | b',' | b';' | b'.' | b':') => {
                self.at += length;
                Ok(self.since(start).to_owned())
            }
            _ => Err(Unclear),
        }
    }
}

/// A name as the server keeps it: NAMEDATALEN is 64, so 63 bytes of it count.
pub(super) fn truncated(name: &str) -> String {
    let end = name.floor_char_boundary(IDENTIFIER_BYTES);
    name.get(..end).unwrap_or(name).to_owned()
}
