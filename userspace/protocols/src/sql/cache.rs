//! Statements come again and again: their analysis is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lexer::Token;
use super::limits::{CACHE_BYTES, CACHED_STATEMENT_BYTES};
use super::model::Analysed;
use super::parsed::Shape;

/// The analysis of a message: its statements, shared.
pub(crate) type Message = Arc<[Analysed]>;

/// What an analysis takes, roughly: for itself, and for each byte of its text.
const KEPT_FOR_EACH: usize = 1024;
const KEPT_FOR_EACH_BYTE: usize = 3;

/// Analyses of messages by their text, and of statements by their shape: their text with the
/// constants taken out, for what applications write with the values in it. What was not asked
/// for since the cache filled up by half is forgotten, so that it takes about [`CACHE_BYTES`]
/// at most.
///
/// An analysis depends on the text alone, so it may be shared by all sessions.
#[derive(Debug, Default)]
pub struct ParseCache {
    messages: Mutex<Generations<Message>>,
    shapes: Mutex<Generations<Analysed>>,
}

impl ParseCache {
    /// The statements of a message, as [`analyse`](super::analyse) tells them.
    #[must_use]
    pub fn analyse(&self, text: &str) -> Arc<[Analysed]> {
        if text.len() > CACHED_STATEMENT_BYTES {
            return super::analyse(text).into();
        }
        if let Some(known) = lock(&self.messages).find(text) {
            return known;
        }
        let (statements, constant) = super::read(text, |shape, tokens| self.shape(shape, tokens));
        let message: Message = statements.into();
        if constant {
            lock(&self.messages).keep(text.into(), Arc::clone(&message));
        }
        message
    }

    fn shape(&self, shape: &Shape, tokens: &[Token]) -> Analysed {
        let Some(key) = shape.key() else {
            return shape.analyse(tokens);
        };
        if let Some(known) = lock(&self.shapes).find(&key) {
            return known;
        }
        let analysed = shape.analyse(tokens);
        lock(&self.shapes).keep(key.into(), analysed.clone());
        analysed
    }
}

fn lock<T>(generations: &Mutex<Generations<T>>) -> MutexGuard<'_, Generations<T>> {
    // A panic elsewhere leaves whole entries behind.
    generations.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Generations<T> {
    young: HashMap<Box<str>, T>,
    old: HashMap<Box<str>, T>,
    young_bytes: usize,
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
        }
    }
}

impl<T: Clone> Generations<T> {
    fn find(&mut self, text: &str) -> Option<T> {
        if let Some(known) = self.young.get(text) {
            return Some(known.clone());
        }
        let (text, known) = self.old.remove_entry(text)?;
        self.keep(text, known.clone());
        Some(known)
    }

    fn keep(&mut self, text: Box<str>, known: T) {
        let bytes = KEPT_FOR_EACH + text.len() * KEPT_FOR_EACH_BYTE;
        // Each of the two caches has two generations.
        if self.young_bytes + bytes > CACHE_BYTES / 4 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(text, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_the_same_shape_keep_their_kinds() {
        let cache = ParseCache::default();
        for text in ["select * from t; table t", "table t; select * from t"] {
            let kinds = |all: &[Analysed]| -> Vec<String> {
                all.iter().map(|one| one.statement.kind.clone()).collect()
            };
            assert_eq!(
                kinds(&cache.analyse(text)),
                kinds(&super::super::analyse(text)),
                "{text}"
            );
        }
    }

    #[test]
    fn the_same_text_is_analysed_once() {
        let cache = ParseCache::default();
        let first = cache.analyse("select a");
        assert!(Arc::ptr_eq(&first, &cache.analyse("select a")));
        assert!(!Arc::ptr_eq(&first, &cache.analyse("select b")));
    }

    #[test]
    fn texts_that_differ_in_constants_share_an_analysis_and_keep_their_text() {
        let cache = ParseCache::default();
        for number in 0..100 {
            let text = format!("select a from t where b = {number} and c = 'x{number}'");
            assert_eq!(*cache.analyse(&text), *super::super::analyse(&text));
        }
        assert_eq!(lock(&cache.shapes).young.len(), 1);
        assert!(lock(&cache.messages).young.is_empty());
        let set = |value: &str| format!("select set_config('search_path', '{value}', false)");
        for value in ["a", "pg_catalog", "b"] {
            let text = set(value);
            assert_eq!(*cache.analyse(&text), *super::super::analyse(&text));
        }
    }

    #[test]
    fn it_keeps_no_more_text_than_its_limit_and_what_is_used_stays() {
        let cache = ParseCache::default();
        let used = cache.analyse("select used");
        for number in 0..300 {
            let padding = " ".repeat(CACHED_STATEMENT_BYTES - 20);
            let _ = cache.analyse(&format!("select a{number} -- {padding}"));
            assert!(Arc::ptr_eq(&used, &cache.analyse("select used")));
        }
        let messages = lock(&cache.messages);
        let texts = messages.young.keys().chain(messages.old.keys());
        let bytes: usize = texts.map(|text| text.len()).sum();
        assert!(bytes <= CACHE_BYTES, "{bytes}");
    }

    #[test]
    fn a_statement_over_the_limit_is_not_kept() {
        let cache = ParseCache::default();
        let limit = CACHED_STATEMENT_BYTES;
        for (length, kept) in [(limit, true), (limit + 1, false)] {
            let text = format!("select a{}", " ".repeat(length - 8));
            let twice = [cache.analyse(&text), cache.analyse(&text)];
            assert_eq!(Arc::ptr_eq(&twice[0], &twice[1]), kept);
        }
    }
}
