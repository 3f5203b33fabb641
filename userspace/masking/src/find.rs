//! Finding: runs the enabled detectors over a view and remembers how far each has decided.

use crate::detect::{Probe, Range, Tail, View, assignment, card, email, iban, jwt, pem, token};
use crate::gate::{Found, Gate};
use crate::limits::{CUSTOM_BLOCK, CUSTOM_REACH, HOLD};
use crate::replace::Identity;
use crate::rules::TokenRule;
use memchr::memchr;
use regex::bytes::Regex;
use smallvec::SmallVec;
use std::sync::Arc;

/// Digits in a row that every card number and nearly every IBAN has.
const PROBE_STEP: usize = 4;
/// A longer run of digits is neither.
const MAX_RUN: usize = 40;

/// What a keyword announces, and who masks it.
pub(crate) enum Announced {
    Token(Arc<TokenRule>),
    Name { password: bool },
    Url,
    Jwt,
    Pem,
    EncodedPem,
    Known,
}

/// The detectors that a masker has enabled.
pub(crate) struct Finder {
    pub(crate) gate: Gate<(Announced, usize, Identity)>,
    pub(crate) email: Option<Identity>,
    pub(crate) card: Option<Identity>,
    pub(crate) iban: Option<Identity>,
    pub(crate) custom: Vec<(Regex, Identity)>,
}

/// A hit: where, and who masks it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) range: Range,
    pub(crate) identity: Identity,
}

/// How far each kind of search has decided, as positions in the view.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    grams: usize,
    ats: usize,
    digits: usize,
    /// Absolute number of the next block for custom expressions, and where the view begins.
    block: u64,
    base: u64,
}

impl Frontier {
    /// The view lost its first `count` bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        self.grams = self.grams.saturating_sub(count);
        self.ats = self.ats.saturating_sub(count);
        self.digits = self.digits.saturating_sub(count);
        self.base = self.base.saturating_add(count as u64);
    }

    /// Where the reach of the next block begins in the view.
    fn block_start(&self) -> usize {
        let start = self.block.saturating_mul(CUSTOM_BLOCK as u64);
        let start = start
            .saturating_sub(CUSTOM_REACH as u64)
            .saturating_sub(self.base);
        usize::try_from(start).unwrap_or(usize::MAX)
    }
}

impl Finder {
    /// Nothing can be found.
    pub(crate) fn is_empty(&self) -> bool {
        let patterns = self.email.is_some() || self.card.is_some() || self.iban.is_some();
        self.gate.is_empty() && self.custom.is_empty() && !patterns
    }

    /// Adds the hits of all anchors that can be decided.
    pub(crate) fn scan(&self, view: &View<'_>, frontier: &mut Frontier, spans: &mut Vec<Span>) {
        if !self.gate.is_empty() {
            frontier.grams = self.scan_grams(view, frontier.grams, spans);
        }
        if let Some(identity) = self.email {
            frontier.ats = scan_ats(view, frontier.ats, identity, spans);
        }
        if self.card.is_some() || self.iban.is_some() {
            frontier.digits = self.scan_digits(view, frontier.digits, spans);
        }
        if !self.custom.is_empty() {
            self.scan_blocks(view, frontier, spans);
        }
    }

    /// Before this position no further hit begins: the view's bytes up to here are final.
    pub(crate) fn settled(&self, view: &View<'_>, frontier: &Frontier) -> usize {
        let length = view.bytes.len();
        if view.complete || self.is_empty() {
            return length;
        }
        let mut decided = length;
        if !self.gate.is_empty() {
            decided = decided.min(frontier.grams);
        }
        if self.email.is_some() {
            decided = decided.min(frontier.ats);
        }
        if self.card.is_some() || self.iban.is_some() {
            decided = decided.min(frontier.digits);
        }
        let settled = decided.saturating_sub(HOLD);
        if self.custom.is_empty() {
            settled
        } else {
            settled.min(frontier.block_start())
        }
    }

    fn scan_grams(&self, view: &View<'_>, from: usize, spans: &mut Vec<Span>) -> usize {
        let mut from = from;
        let mut hits: SmallVec<[Span; 4]> = SmallVec::new();
        while let Some(at) = self.gate.next(view.bytes, from) {
            for found in self.gate.at(view, at) {
                let Found::Keyword(start, (announced, length, identity)) = found else {
                    return at;
                };
                match announced.probe(view, start, start + length) {
                    Probe::No => {}
                    Probe::More => return at,
                    Probe::Hit(range) => hits.push(Span {
                        range,
                        identity: *identity,
                    }),
                }
            }
            spans.extend(hits.drain(..));
            from = at + 1;
        }
        // The last three bytes begin grams that are not whole yet.
        if view.complete {
            view.bytes.len()
        } else {
            view.bytes.len().saturating_sub(3).max(from)
        }
    }

    fn scan_digits(&self, view: &View<'_>, from: usize, spans: &mut Vec<Span>) -> usize {
        let (mut at, mut decided) = (from, from);
        while let Some(byte) = view.byte(at) {
            if !byte.is_ascii_digit() {
                at = next_probe(view.bytes, at);
                continue;
            }
            let (start, end) = run_around(view, at);
            let ends_here = end == view.bytes.len() && !view.complete;
            if ends_here && end - start <= MAX_RUN {
                return start;
            }
            if (PROBE_STEP..=MAX_RUN).contains(&(end - start))
                && !self.probe_run(view, start, spans)
            {
                return start;
            }
            (at, decided) = (end, end);
        }
        // A run of digits may begin between the last probe and the end.
        view.bytes.len().saturating_sub(PROBE_STEP).max(decided)
    }

    /// Whether the run that begins at `start` is decided.
    fn probe_run(&self, view: &View<'_>, start: usize, spans: &mut Vec<Span>) -> bool {
        let probes = [
            self.card
                .map(|identity| (card::probe(view, start), identity)),
            self.iban
                .map(|identity| (iban::probe(view, start), identity)),
        ];
        if probes
            .iter()
            .flatten()
            .any(|(probe, _)| *probe == Probe::More)
        {
            return false;
        }
        for (probe, identity) in probes.into_iter().flatten() {
            if let Probe::Hit(range) = probe {
                spans.push(Span { range, identity });
            }
        }
        true
    }

    /// Runs the custom expressions over every block that is there with its reach. Blocks lie at
    /// fixed places of the stream, so that no chunk can change what is found.
    fn scan_blocks(&self, view: &View<'_>, frontier: &mut Frontier, spans: &mut Vec<Span>) {
        loop {
            let start = frontier.block_start();
            let first = frontier.block == 0;
            let length = CUSTOM_BLOCK
                + if first {
                    CUSTOM_REACH
                } else {
                    2 * CUSTOM_REACH
                };
            // One byte more tells that the stream does not end with this block.
            if start >= view.bytes.len() || view.lacks(start, length + 1) {
                return;
            }
            let window = view.window(start, length);
            let last = view.complete && start + length >= view.bytes.len();
            for (regex, identity) in &self.custom {
                let found = in_block(regex, window, first, last);
                spans.extend(found.map(|(from, to)| Span {
                    range: Range {
                        start: start + from,
                        end: start + to,
                        tail: Tail::None,
                    },
                    identity: *identity,
                }));
            }
            frontier.block += 1;
        }
    }
}

impl Announced {
    fn probe(&self, view: &View<'_>, start: usize, end: usize) -> Probe {
        match self {
            Self::Token(rule) => token::probe(view, rule, start, end),
            Self::Name { password } => assignment::probe(view, end, *password),
            Self::Url => assignment::probe_url(view, end),
            Self::Jwt => jwt::probe(view, start),
            Self::Pem => pem::probe(view, start),
            Self::EncodedPem => pem::probe_encoded(view, start),
            Self::Known => Probe::hit(start, end),
        }
    }
}

fn scan_ats(view: &View<'_>, from: usize, identity: Identity, spans: &mut Vec<Span>) -> usize {
    let mut from = from;
    while let Some(found) = view.bytes.get(from..).and_then(|rest| memchr(b'@', rest)) {
        let at = from + found;
        match email::probe(view, at) {
            Probe::No => {}
            Probe::More => return at,
            Probe::Hit(range) => spans.push(Span { range, identity }),
        }
        from = at + 1;
    }
    view.bytes.len().max(from)
}

/// The next position, in steps that no run of four digits escapes, that holds a digit.
fn next_probe(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let probes = rest.iter().step_by(PROBE_STEP);
    let skipped = probes.take_while(|byte| !byte.is_ascii_digit()).count();
    at + skipped * PROBE_STEP
}

/// The run of digits that covers `at`; its length is exact up to [`MAX_RUN`] back.
fn run_around(view: &View<'_>, at: usize) -> (usize, usize) {
    let earliest = at.saturating_sub(MAX_RUN + 1);
    let before = view.bytes.get(earliest..at).unwrap_or_default();
    let start = at
        - before
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    let after = view.bytes.get(at..).unwrap_or_default();
    let end = at
        + after
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    (start, end)
}

/// The matches of a block. One that touches an inner edge of the window is found whole by the
/// neighbour's window, unless it is longer than the reach; then it is kept as far as it is seen.
fn in_block<'w>(
    regex: &'w Regex,
    window: &'w [u8],
    first: bool,
    last: bool,
) -> impl Iterator<Item = (usize, usize)> + 'w {
    let length = window.len();
    let group = usize::from(regex.captures_len() > 1);
    regex.captures_iter(window).filter_map(move |captures| {
        let whole = captures.get(0)?;
        let cut = (whole.start() == 0 && !first) || (whole.end() == length && !last);
        let secret = captures.get(group).unwrap_or(whole);
        let kept = !secret.is_empty() && (!cut || whole.len() >= CUSTOM_REACH);
        kept.then(|| (secret.start(), secret.end()))
    })
}
