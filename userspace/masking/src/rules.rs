//! The token rules: data files, read once, each expression compiled when its keyword is first
//! seen, so that a daemon at rest does not carry two hundred automata.

use crate::limits::TOKEN_WINDOW;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

const CONVERTED: &str = include_str!("../rules/tokens.toml");
const OWN: &str = include_str!("../rules/own.toml");

/// What must stand beside a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edge {
    /// Anything.
    #[default]
    Any,
    /// No word character.
    Word,
    /// Neither a word character nor a hyphen.
    Delimiter,
}

/// One rule, as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    keywords: Vec<String>,
    regex: Option<String>,
    value: Option<String>,
    window: usize,
    #[serde(default)]
    back: usize,
    #[serde(default)]
    start: Edge,
    #[serde(default)]
    end: Edge,
    #[serde(default)]
    entropy: f64,
}

#[derive(Deserialize)]
struct File {
    rule: Vec<Entry>,
}

/// One token rule.
pub(crate) struct TokenRule {
    /// Its name, as gitleaks has it where it comes from there.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "names the rule in test failures")
    )]
    pub(crate) id: String,
    /// Its keywords, lower case, found in any case.
    pub(crate) keywords: Vec<String>,
    /// The expression is for the value behind a name and a separator.
    pub(crate) is_value: bool,
    /// Bytes before the keyword at which the expression begins.
    pub(crate) back: usize,
    /// Bytes that decide.
    pub(crate) window: usize,
    pub(crate) start: Edge,
    pub(crate) end: Edge,
    /// Bits a byte that the secret has at least.
    pub(crate) entropy: f64,
    pub(crate) pattern: String,
    compiled: OnceLock<Option<Regex>>,
}

impl TokenRule {
    /// The secret in a window that begins where the expression does.
    pub(crate) fn secret(&self, window: &[u8]) -> Option<Range<usize>> {
        let regex = self
            .compiled
            .get_or_init(|| compile(&self.pattern))
            .as_ref()?;
        if regex.captures_len() == 1 {
            return regex.find(window).map(|found| found.range());
        }
        let captures = regex.captures(window)?;
        captures.get(1).map(|found| found.range())
    }
}

/// `None` never happens: a test compiles every rule.
fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&format!(r"\A(?:{pattern})"))
        .unicode(false)
        .build()
        .ok()
}

impl From<Entry> for TokenRule {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            keywords: entry.keywords,
            is_value: entry.value.is_some(),
            back: entry.back,
            window: entry.window.min(TOKEN_WINDOW),
            start: entry.start,
            end: entry.end,
            entropy: entry.entropy,
            pattern: entry.regex.or(entry.value).unwrap_or_default(),
            compiled: OnceLock::new(),
        }
    }
}

/// All token rules, shared by all maskers.
pub(crate) fn tokens() -> &'static [Arc<TokenRule>] {
    static RULES: OnceLock<Vec<Arc<TokenRule>>> = OnceLock::new();
    RULES.get_or_init(|| {
        [CONVERTED, OWN]
            .into_iter()
            .flat_map(read)
            .map(Arc::new)
            .collect()
    })
}

/// The files are part of the program: a test proves that they parse.
fn read(text: &str) -> Vec<TokenRule> {
    let file = toml::from_str::<File>(text).map_or_else(|_| Vec::new(), |file| file.rule);
    file.into_iter().map(TokenRule::from).collect()
}

#[cfg(test)]
mod tests;
