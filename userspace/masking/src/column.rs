//! Column patterns.

use crate::error::MaskError;
use crate::limits::MAX_GLOB;
use globset::{GlobBuilder, GlobMatcher};

/// Parts of a whole name: schema, table, column.
const WHOLE_NAME: usize = 3;
/// Parts of a name that are looked at, from the right: a name is the peer's to make.
const MAX_PARTS: usize = 8;

/// A pattern over dotted names: its parts, the last one first; `None` is `**`.
pub(crate) struct ColumnGlob(Vec<Option<GlobMatcher>>);

impl ColumnGlob {
    pub(crate) fn compile(rule: &str, pattern: &str) -> Result<Self, MaskError> {
        let parts = pattern.rsplit('.').map(|part| match part {
            "**" => Ok(None),
            part => compile_glob(rule, part).map(Some),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }

    /// Compares from the right. A part that the name does not have is not known, and counts as
    /// equal: a column whose table is not known is masked rather than missed.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let parts: Vec<&str> = name.rsplit('.').take(MAX_PARTS).collect();
        let single = self.0.iter().filter(|glob| glob.is_some()).count();
        let whole = parts.len() >= single.max(WHOLE_NAME);
        matches(&self.0, &parts, whole)
    }
}

fn matches(globs: &[Option<GlobMatcher>], parts: &[&str], whole: bool) -> bool {
    match (globs.split_first(), parts.split_first()) {
        (None, _) => true,
        (Some(_), None) => !whole,
        (Some((Some(glob), globs)), Some((part, parts))) => {
            glob.is_match(part) && matches(globs, parts, whole)
        }
        (Some((None, globs)), Some(_)) => (1..=parts.len())
            .any(|crossed| matches(globs, parts.get(crossed..).unwrap_or_default(), whole)),
    }
}

/// A glob without case, of a bounded length.
pub(crate) fn compile_glob(rule: &str, pattern: &str) -> Result<GlobMatcher, MaskError> {
    let refused = |reason: String| MaskError::BadGlob {
        rule: rule.to_owned(),
        pattern: pattern.to_owned(),
        reason,
    };
    if pattern.is_empty() || pattern.len() > MAX_GLOB {
        return Err(refused(format!(
            "a part of 1 to {MAX_GLOB} bytes is needed"
        )));
    }
    let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| refused(error.to_string()))
}
