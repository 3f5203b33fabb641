//! What is wrong with a text, where, and what to do: printed as compilers do.

use std::fmt;
use std::sync::Arc;

use crate::limits::MAX_ERRORS;

/// A place in a text; line and column count from 1, the length is in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// The line.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// How many characters of the line it covers, at least 1.
    pub length: usize,
}

/// A file that is read: its name, for people, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceText {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy means something that its author hardly wants.
    Warning,
    /// The policy is not used.
    Error,
}

/// One thing that is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// Where in it.
    pub span: Span,
    /// The line of the text.
    pub snippet: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: Option<String>,
}

impl Diagnostic {
    pub(crate) fn at(
        source: &SourceText,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        let line = source
            .text
            .lines()
            .nth(span.line.saturating_sub(1))
            .unwrap_or_default();
        Self {
            severity,
            file: source.file.clone(),
            span,
            snippet: line.chars().take(MAX_SNIPPET).map(printable).collect(),
            message: message.into(),
            fix: None,
        }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Characters of a line that are shown.
const MAX_SNIPPET: usize = 160;

/// Control characters of a policy never reach a terminal.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span {
            line,
            column,
            length,
        } = self.span;
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{word}: {}", self.message)?;
        writeln!(f, "{margin}--> {}:{line}:{column}", self.file)?;
        let shown = self.snippet.chars().count();
        if column <= shown + 1 {
            let carets = length.clamp(1, (shown + 1).saturating_sub(column).max(1));
            let before = " ".repeat(column.saturating_sub(1));
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {}", self.snippet)?;
            writeln!(f, "{margin} | {before}{}", "^".repeat(carets))?;
        }
        if let Some(fix) = &self.fix {
            writeln!(f, "{margin} = help: {fix}")?;
        }
        Ok(())
    }
}

/// All that is wrong with a set of policies; none of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors {
    /// In the order of the files and of their lines; at most [`MAX_ERRORS`].
    pub errors: Vec<Diagnostic>,
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            writeln!(f, "{error}")?;
        }
        let more = if self.errors.len() >= MAX_ERRORS {
            " or more"
        } else {
            ""
        };
        let (count, s) = (
            self.errors.len(),
            if self.errors.len() == 1 { "" } else { "s" },
        );
        write!(f, "{count}{more} error{s}: the policy is not used")
    }
}

/// Collects what is wrong with one text.
#[derive(Debug)]
pub(crate) struct Complaints {
    pub(crate) source: Arc<SourceText>,
    pub(crate) errors: Vec<Diagnostic>,
}

impl Complaints {
    pub(crate) fn new(source: Arc<SourceText>) -> Self {
        Self {
            source,
            errors: Vec::new(),
        }
    }

    /// Notes an error; gives it back so that a fix can be added.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::at(&self.source, Severity::Error, span, message));
    }

    pub(crate) fn error_with_fix(
        &mut self,
        span: Span,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Diagnostic::at(&self.source, Severity::Error, span, message).fix(fix));
    }

    fn push(&mut self, error: Diagnostic) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

/// The known word that is nearest to a misspelt one, if any is near.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let short: String = word.chars().take(MAX_SNIPPET).collect();
    // Two letters that changed places are two edits.
    let most = match short.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|known| (distance(&short, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// Edit distance (insert, delete, replace one character).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("host", "host", 0),
            ("hots", "host", 2),
            ("hst", "host", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["host", "http", "cidr", "postgres"];
        for (word, want) in [
            ("hosts", Some("host")),
            ("postgre", Some("postgres")),
            ("http2", Some("http")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
    }

    #[test]
    fn it_reads_like_a_compiler() {
        let source = SourceText {
            file: "p.yaml".into(),
            text: "a: 1\nhosst: x\n".into(),
        };
        let span = Span {
            line: 2,
            column: 1,
            length: 5,
        };
        let error = Diagnostic::at(&source, Severity::Error, span, "unknown key `hosst`")
            .fix("did you mean `host`?");
        assert_eq!(
            error.to_string(),
            "error: unknown key `hosst`\n --> p.yaml:2:1\n  |\n2 | hosst: x\n  | ^^^^^\n  = help: did \
             you mean `host`?\n"
        );
    }

    #[test]
    fn a_place_outside_the_text_is_printed_without_a_snippet() {
        let source = SourceText {
            file: "p.yaml".into(),
            text: String::new(),
        };
        let span = Span {
            line: 9,
            column: 40,
            length: 2,
        };
        let error = Diagnostic::at(&source, Severity::Warning, span, "odd");
        assert_eq!(error.to_string(), "warning: odd\n --> p.yaml:9:40\n");
    }

    #[test]
    fn control_characters_are_not_printed() {
        let source = SourceText {
            file: "p.yaml".into(),
            text: "a: \u{1b}[2J".into(),
        };
        let error = Diagnostic::at(&source, Severity::Error, Span::default(), "odd");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
