//! Rust text, told apart: what is code, what is a comment, what is in quotes.

use std::iter::Peekable;
use std::str::Chars;

/// One line of a Rust file. The three texts have equal shapes: what belongs to another is spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
    pub(super) quoted: String,
    /// Inside a module that is compiled for tests only.
    pub(super) in_test: bool,
}

/// A Rust file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Quoted,
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    lines: Vec<Line>,
    line: Line,
    previous: char,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        let reader = Reader {
            chars: text.chars().peekable(),
            lines: Vec::new(),
            line: Line::default(),
            previous: ' ',
        };
        let mut lines = reader.read();
        mark_tests(&mut lines);
        Self { lines }
    }

    /// Lines with their numbers, counted from one.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

impl Reader<'_> {
    fn read(mut self) -> Vec<Line> {
        while let Some(char) = self.chars.next() {
            match (char, self.chars.peek().copied()) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', Some('"' | '#')) if !is_word(self.previous) || self.previous == 'b' => {
                    self.raw_string();
                }
                ('\'', _) => self.char_or_lifetime(),
                _ => self.put(char, Part::Code),
            }
        }
        if self.line != Line::default() {
            self.lines.push(self.line);
        }
        self.lines
    }

    fn put(&mut self, char: char, part: Part) {
        self.previous = char;
        if char == '\n' {
            self.lines.push(std::mem::take(&mut self.line));
            return;
        }
        let pick = |wanted| if part == wanted { char } else { ' ' };
        self.line.code.push(pick(Part::Code));
        self.line.comment.push(pick(Part::Comment));
        self.line.quoted.push(pick(Part::Quoted));
    }

    fn line_comment(&mut self) {
        self.put('/', Part::Comment);
        while let Some(char) = self.chars.next_if(|char| *char != '\n') {
            self.put(char, Part::Comment);
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        self.put('/', Part::Comment);
        let mut depth = 0_u32;
        // The star of the opening is still to come, so that it cannot close its own comment.
        let mut previous = '/';
        while let Some(char) = self.chars.next() {
            self.put(char, Part::Comment);
            match (previous, char) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    previous = char;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            previous = ' ';
        }
    }

    fn string(&mut self) {
        self.put('"', Part::Code);
        while let Some(char) = self.chars.next() {
            match char {
                '"' => return self.put('"', Part::Code),
                '\\' => {
                    self.put('\\', Part::Quoted);
                    if let Some(escaped) = self.chars.next() {
                        self.put(escaped, Part::Quoted);
                    }
                }
                other => self.put(other, Part::Quoted),
            }
        }
    }

    /// After `r`: a raw string, or a raw name as in `r#type`.
    fn raw_string(&mut self) {
        self.put('r', Part::Code);
        let mut hashes = 0_usize;
        while self.chars.next_if_eq(&'#').is_some() {
            self.put('#', Part::Code);
            hashes += 1;
        }
        if self.chars.next_if_eq(&'"').is_none() {
            return;
        }
        self.put('"', Part::Code);
        while let Some(char) = self.chars.next() {
            let mut ahead = self.chars.clone();
            let closes = char == '"' && (0..hashes).all(|_| ahead.next() == Some('#'));
            if closes {
                self.put('"', Part::Code);
                for _ in 0..hashes {
                    self.chars.next();
                    self.put('#', Part::Code);
                }
                return;
            }
            self.put(char, Part::Quoted);
        }
    }

    /// `'x'` and `'\n'` are quoted; `'static` is code.
    fn char_or_lifetime(&mut self) {
        self.put('\'', Part::Code);
        let mut ahead = self.chars.clone();
        let first = ahead.next();
        let is_char = first == Some('\\') || ahead.next() == Some('\'');
        if !is_char {
            return;
        }
        if first == Some('\\') {
            self.chars.next();
            self.put('\\', Part::Quoted);
        }
        if let Some(char) = self.chars.next() {
            self.put(char, Part::Quoted);
        }
        // An escape such as '\u{e9}' goes on.
        while let Some(char) = self.chars.next_if(|char| *char != '\'' && *char != '\n') {
            self.put(char, Part::Quoted);
        }
        if self.chars.next_if_eq(&'\'').is_some() {
            self.put('\'', Part::Code);
        }
    }
}

/// A module below `#[cfg(test)]` ends at the brace that stands as far to the right as its head.
fn mark_tests(lines: &mut [Line]) {
    let mut attribute = false;
    let mut end: Option<String> = None;
    for line in lines {
        let code = line.code.trim_end();
        if let Some(closing) = &end {
            line.in_test = true;
            if code == closing {
                end = None;
            }
            continue;
        }
        let trimmed = code.trim_start();
        if trimmed.starts_with("#[cfg(test)]") || trimmed.starts_with("#[cfg(all(test") {
            attribute = true;
            line.in_test = true;
        } else if attribute && !trimmed.is_empty() && !trimmed.starts_with("#[") {
            attribute = false;
            line.in_test = true;
            if trimmed.ends_with('{') {
                let indent = code.len() - trimmed.len();
                end = Some(format!("{}}}", " ".repeat(indent)));
            }
        }
    }
}

/// Whether a character can be in a Rust name.
pub(super) fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether `word` stands in `text` by itself, not as a part of a longer name.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.split(|char| !is_word(char)).any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Line {
        let lines = Source::read(text).lines;
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }

    fn parts(text: &str) -> (String, String, String) {
        let line = only(text);
        let squeeze = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        (
            squeeze(line.code),
            squeeze(line.comment),
            squeeze(line.quoted),
        )
    }

    #[test]
    fn the_parts_of_a_line_are_told_apart() {
        let cases = [
            ("let a = 1; // why", ("let a = 1;", "// why", "")),
            ("f(\"in // it\")", ("f(\" \")", "", "in // it")),
            ("f(\"a\\\"b\") // c", ("f(\" \")", "// c", "a\\\"b")),
            ("r#\"a \"b\" c\"# + x", ("r#\" \"# + x", "", "a \"b\" c")),
            ("br\"raw\\\" + x", ("br\" \" + x", "", "raw\\")),
            ("let r#type = 1;", ("let r#type = 1;", "", "")),
            ("a /* b /* c */ d */ e", ("a e", "/* b /* c */ d */", "")),
            ("fn f<'a>(x: &'a str)", ("fn f<'a>(x: &'a str)", "", "")),
            ("x == '\"' // q", ("x == ' '", "// q", "\"")),
            ("x == '\\'' + y", ("x == ' ' + y", "", "\\'")),
            ("'\\u{e9}' y", ("' ' y", "", "\\u{e9}")),
        ];
        for (text, (code, comment, quoted)) in cases {
            let want = (code.to_owned(), comment.to_owned(), quoted.to_owned());
            assert_eq!(parts(text), want, "{text}");
        }
    }

    #[test]
    fn a_string_goes_on_over_lines() {
        let source = Source::read("let a = \"one\nunsafe\n\";\nlet b = 2;\n");
        assert_eq!(source.lines.len(), 4);
        assert_eq!(source.lines[1].code.trim(), "");
        assert_eq!(source.lines[1].quoted, "unsafe");
        assert_eq!(source.lines[3].code, "let b = 2;");
    }

    #[test]
    fn a_block_comment_goes_on_over_lines() {
        let source = Source::read("/* one\n unsafe\n*/ let a = 1;\n");
        assert_eq!(source.lines[1].code.trim(), "");
        assert_eq!(source.lines[2].code.trim(), "let a = 1;");
    }

    #[test]
    fn test_modules_are_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        let marks: Vec<_> = Source::read(text)
            .lines
            .iter()
            .map(|line| line.in_test)
            .collect();
        assert_eq!(marks, [false, true, true, true, true, true, false]);
    }

    #[test]
    fn a_test_module_elsewhere_marks_its_two_lines() {
        let source = Source::read("#[cfg(test)]\nmod tests;\nfn a() {\n}\n");
        let marks: Vec<_> = source.lines.iter().map(|line| line.in_test).collect();
        assert_eq!(marks, [true, true, false, false]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
    }
}
