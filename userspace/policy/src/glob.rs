//! Globs: `*` stays inside a part, `**` crosses parts.
//!
//! There are no other special characters: `?`, `[`, `{` and `\` stand for themselves. Between
//! slashes `**` may also stand for no part at all: `/a/**/b` matches `/a/b`, and `**/npm`
//! matches `npm` and `/usr/bin/npm`. Between the dots of a host or a table it may not, so
//! `**.example.com` does not match `example.com`.

use std::fmt;

use crate::limits::{MAX_GLOB_BYTES, MAX_GLOB_MIDDLE};

/// What parts a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Paths, and all that is written like one: `/`.
    Path,
    /// Hosts, tables, columns: `.`.
    Dotted,
    /// One part: `*` is `**`.
    One,
}

impl Parts {
    fn separator(self) -> Option<u8> {
        match self {
            Self::Path => Some(b'/'),
            Self::Dotted => Some(b'.'),
            Self::One => None,
        }
    }
}

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("a glob may not be empty")]
    Empty,
    #[error("a glob may have at most {MAX_GLOB_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    #[error(
        "a glob may have at most {MAX_GLOB_MIDDLE} bytes between its first and its last \
         wildcard, this one has {0}"
    )]
    TooLongBetweenWildcards(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Exact,
    Wild(Wild),
}

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    text: Box<str>,
    shape: Shape,
}

impl Glob {
    pub(crate) fn new(text: &str, parts: Parts) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > MAX_GLOB_BYTES {
            return Err(GlobError::TooLong(text.len()));
        }
        let shape = match Wild::compile(text, parts)? {
            Some(wild) => Shape::Wild(wild),
            None => Shape::Exact,
        };
        Ok(Self {
            text: text.into(),
            shape,
        })
    }

    pub(crate) fn matches(&self, subject: &str) -> bool {
        match &self.shape {
            Shape::Exact => *self.text == *subject,
            Shape::Wild(wild) => wild.matches(subject.as_bytes()),
        }
    }

    /// The one text that it matches, where there is only one.
    pub(crate) fn exact(&self) -> Option<&str> {
        match &self.shape {
            Shape::Exact => Some(&self.text),
            Shape::Wild(_) => None,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches any text at all.
    pub(crate) fn matches_all(&self) -> bool {
        match &self.shape {
            Shape::Exact => false,
            Shape::Wild(wild) => wild.matches_all(),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`
    Inside,
    /// `**`; with the flag it may swallow the separator behind it.
    Across {
        optional: bool,
    },
}

/// A glob with wildcards: literal head and tail, and an automaton for what is between.
///
/// State `i` of the automaton waits for token `i`; all states that are reached are bits of
/// one number, so that a match is one pass over the text whatever the glob.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wild {
    head: Box<[u8]>,
    tail: Box<[u8]>,
    bytes: Box<[(u8, u128)]>,
    inside: u128,
    across: u128,
    optional: u128,
    accept: u128,
    separator: Option<u8>,
}

impl Wild {
    fn compile(text: &str, parts: Parts) -> Result<Option<Self>, GlobError> {
        let tokens = tokens(text.as_bytes(), parts);
        let is_star = |token: &Token| !matches!(token, Token::Byte(_));
        let Some(first) = tokens.iter().position(is_star) else {
            return Ok(None);
        };
        let (head, rest) = tokens.split_at(first);
        let last = rest.iter().rposition(is_star).unwrap_or_default();
        // The separator that an optional `**` may swallow belongs to the automaton.
        let swallows = matches!(rest.get(last), Some(Token::Across { optional: true }));
        let (middle, tail) = rest.split_at(last + 1 + usize::from(swallows));
        if middle.len() > MAX_GLOB_MIDDLE {
            return Err(GlobError::TooLongBetweenWildcards(middle.len()));
        }
        let literal = |tokens: &[Token]| tokens.iter().filter_map(byte).collect();
        let bits = |wanted: fn(&Token) -> bool| {
            let bit = |(i, token)| if wanted(token) { 1u128 << i } else { 0 };
            middle
                .iter()
                .enumerate()
                .map(bit)
                .fold(0, std::ops::BitOr::bitor)
        };
        Ok(Some(Self {
            head: literal(head),
            tail: literal(tail),
            bytes: byte_masks(middle),
            inside: bits(|t| *t == Token::Inside),
            across: bits(|t| matches!(t, Token::Across { .. })),
            optional: bits(|t| *t == Token::Across { optional: true }),
            accept: 1 << middle.len(),
            separator: parts.separator(),
        }))
    }

    fn matches_all(&self) -> bool {
        let nothing_else = self.head.is_empty() && self.tail.is_empty() && self.accept == 2;
        nothing_else && (self.across != 0 || self.separator.is_none())
    }

    fn matches(&self, subject: &[u8]) -> bool {
        subject
            .strip_prefix(&*self.head)
            .and_then(|rest| rest.strip_suffix(&*self.tail))
            .is_some_and(|middle| self.matches_middle(middle))
    }

    fn matches_middle(&self, middle: &[u8]) -> bool {
        let mut states = self.skipped(1);
        for &byte in middle {
            let waiting = self
                .bytes
                .iter()
                .find(|(b, _)| *b == byte)
                .map_or(0, |(_, m)| *m);
            let moved = self.skipped((states & waiting) << 1);
            let inside = if Some(byte) == self.separator {
                0
            } else {
                states & self.inside
            };
            states = self.stars_end(moved | inside | (states & self.across));
            if states == 0 {
                return false;
            }
        }
        states & self.accept != 0
    }

    /// States that were just reached, and those behind an optional `**/` among them.
    fn skipped(&self, reached: u128) -> u128 {
        self.stars_end(reached | ((reached & self.optional) << 2))
    }

    /// A star may end at any time.
    fn stars_end(&self, states: u128) -> u128 {
        states | ((states & (self.inside | self.across)) << 1)
    }
}

fn byte(token: &Token) -> Option<u8> {
    match token {
        Token::Byte(byte) => Some(*byte),
        Token::Inside | Token::Across { .. } => None,
    }
}

fn byte_masks(tokens: &[Token]) -> Box<[(u8, u128)]> {
    let mut masks: Vec<(u8, u128)> = Vec::new();
    for (i, byte) in tokens
        .iter()
        .enumerate()
        .filter_map(|(i, t)| byte(t).map(|b| (i, b)))
    {
        match masks.iter_mut().find(|(b, _)| *b == byte) {
            Some((_, mask)) => *mask |= 1 << i,
            None => masks.push((byte, 1 << i)),
        }
    }
    masks.into()
}

/// Runs of stars become one; `**/**/` becomes `**/`.
fn tokens(text: &[u8], parts: Parts) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if byte != b'*' {
            tokens.push(Token::Byte(byte));
            rest = behind;
            continue;
        }
        let stars = rest.iter().take_while(|b| **b == b'*').count();
        rest = rest.get(stars..).unwrap_or_default();
        let at_part = matches!(tokens.last(), None | Some(Token::Byte(b'/')));
        let optional = parts == Parts::Path && at_part && rest.first() == Some(&b'/');
        let star = match (stars, parts) {
            (1, Parts::Path | Parts::Dotted) => Token::Inside,
            (1.., Parts::One) | (_, Parts::Path | Parts::Dotted) => Token::Across { optional },
            (0, Parts::One) => continue,
        };
        let repeats = star == Token::Across { optional: true }
            && matches!(
                tokens.as_slice(),
                [.., Token::Across { optional: true }, Token::Byte(b'/')]
            );
        if repeats {
            rest = rest.strip_prefix(b"/").unwrap_or(rest);
        } else {
            tokens.push(star);
        }
    }
    tokens
}

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
