//! Tokens by their issuers' formats: one rule at one keyword.

use super::{Probe, Range, Tail, View, assignment, entropy, is_word};
use crate::limits::TOKEN_WINDOW;
use crate::rules::{Edge, TokenRule};

/// Looks at the keyword of `rule` that stands at `start` and ends at `end`.
pub(crate) fn probe(view: &View<'_>, rule: &TokenRule, start: usize, end: usize) -> Probe {
    if rule.is_value {
        return match assignment::value_start(view, end) {
            Ok((value, _)) => matched(view, rule, value),
            Err(probe) => probe,
        };
    }
    match start.checked_sub(rule.back) {
        Some(start) if rule.start == Edge::Any || view.word_starts(start) => {
            matched(view, rule, start)
        }
        _ => Probe::No,
    }
}

fn matched(view: &View<'_>, rule: &TokenRule, start: usize) -> Probe {
    // The two bytes behind the window tell whether the token ends there.
    if view.lacks(start, rule.window + 2) {
        return Probe::More;
    }
    let window = view.window(start, rule.window);
    let Some(secret) = rule.secret(window) else {
        return Probe::No;
    };
    let reaches_on = secret.end == window.len() && window.len() >= TOKEN_WINDOW;
    let closed = match rule.end {
        Edge::Any => true,
        Edge::Word => view
            .byte(start + secret.end)
            .is_none_or(|byte| !is_word(byte)),
        Edge::Delimiter => view
            .byte(start + secret.end)
            .is_none_or(|byte| !is_word(byte) && byte != b'-'),
    };
    let random = entropy(window.get(secret.clone()).unwrap_or_default()) >= rule.entropy;
    if !(random && (closed || reaches_on)) {
        return Probe::No;
    }
    let tail = if reaches_on { Tail::Token } else { Tail::None };
    Probe::Hit(Range {
        start: start + secret.start,
        end: start + secret.end,
        tail,
    })
}
