//! Statements come again and again: their analysis is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::{CACHE_BYTES, CACHED_STATEMENT_BYTES};
use super::model::Analysed;

/// The analysis of a message: its statements, shared.
pub(crate) type Message = Arc<[Analysed]>;

/// What an analysis takes, roughly: for itself, and for each byte of its text.
const KEPT_FOR_EACH: usize = 1024;
const KEPT_FOR_EACH_BYTE: usize = 3;

/// Analyses by the text of the message. What was not asked for since the cache filled up by
/// half is forgotten, so that it takes about [`CACHE_BYTES`] at most.
///
/// The analysis depends on the text alone, so it may be shared by all sessions.
#[derive(Debug, Default)]
pub struct ParseCache {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Message>,
    old: HashMap<Box<str>, Message>,
    young_bytes: usize,
}

impl ParseCache {
    /// The statements of a message, as [`analyse`](super::analyse) tells them.
    #[must_use]
    pub fn analyse(&self, text: &str) -> Arc<[Analysed]> {
        if text.len() > CACHED_STATEMENT_BYTES {
            return super::analyse(text).into();
        }
        if let Some(known) = self.lock().find(text) {
            return known;
        }
        let message: Message = super::analyse(text).into();
        self.lock().keep(text.into(), Arc::clone(&message));
        message
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        // A panic elsewhere leaves whole entries behind.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, text: &str) -> Option<Message> {
        if let Some(message) = self.young.get(text) {
            return Some(Arc::clone(message));
        }
        let (text, message) = self.old.remove_entry(text)?;
        self.keep(text, Arc::clone(&message));
        Some(message)
    }

    fn keep(&mut self, text: Box<str>, message: Message) {
        let bytes = KEPT_FOR_EACH + text.len() * KEPT_FOR_EACH_BYTE;
        if self.young_bytes + bytes > CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(text, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_analysed_once() {
        let cache = ParseCache::default();
        let first = cache.analyse("select 1");
        assert!(Arc::ptr_eq(&first, &cache.analyse("select 1")));
        assert!(!Arc::ptr_eq(&first, &cache.analyse("select 2")));
    }

    #[test]
    fn it_keeps_no_more_text_than_its_limit_and_what_is_used_stays() {
        let cache = ParseCache::default();
        let used = cache.analyse("select 'used'");
        for number in 0..300 {
            let text = format!(
                "select {number} -- {}",
                " ".repeat(CACHED_STATEMENT_BYTES - 20)
            );
            let _ = cache.analyse(&text);
            assert!(Arc::ptr_eq(&used, &cache.analyse("select 'used'")));
        }
        let generations = cache.lock();
        let bytes: usize = generations
            .young
            .keys()
            .chain(generations.old.keys())
            .map(|text| text.len())
            .sum();
        assert!(bytes <= CACHE_BYTES, "{bytes}");
    }

    #[test]
    fn a_statement_over_the_limit_is_not_kept() {
        let cache = ParseCache::default();
        for (length, kept) in [
            (CACHED_STATEMENT_BYTES, true),
            (CACHED_STATEMENT_BYTES + 1, false),
        ] {
            let text = format!("select 1{}", " ".repeat(length - 8));
            assert_eq!(
                Arc::ptr_eq(&cache.analyse(&text), &cache.analyse(&text)),
                kept
            );
        }
    }
}
