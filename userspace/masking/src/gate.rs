//! The gate: one pass that finds where a keyword could stand.
//!
//! Each keyword is entered with its rarest 4-byte gram, letters folded, into a bitmap that stays
//! in the first-level cache; a position costs one multiply and one bit test. Only where the bit
//! is set the keyword itself is compared.

use crate::detect::View;

/// Bits of the map: 16 KiB, so that it stays in the first-level cache beside the text.
const MAP_BITS: u32 = 17;
const MAP_WORDS: usize = 1 << (MAP_BITS - 6);
/// Slots of the table from gram to keywords.
const SLOT_BITS: u32 = 12;
/// A gram stands at most this far from its keyword's start, so that hits stay near the anchor.
pub(crate) const MAX_GRAM_OFFSET: usize = 28;
const GRAM: usize = 4;
const FOLD: u32 = 0x2020_2020;

/// Letters by how often English text and code have them; what is absent is rare.
const FREQUENT: &[u8] = b" etaoinsrlhdcumpfgy_\"bwv.,:/-=0k1";

/// One keyword and what it announces.
struct Keyword<A> {
    text: Box<[u8]>,
    fold: bool,
    announces: A,
}

struct Entry {
    gram: u32,
    offset: usize,
    keyword: usize,
}

/// The compiled gate; `A` says what a keyword announces.
pub(crate) struct Gate<A> {
    map: Box<[u64; MAP_WORDS]>,
    slots: Vec<Vec<Entry>>,
    keywords: Vec<Keyword<A>>,
}

/// What stands at an anchor.
pub(crate) enum Found<'g, A> {
    /// A keyword begins here.
    Keyword(usize, &'g A),
    /// The text ends within what could be a keyword.
    Cut,
}

impl<A> Gate<A> {
    pub(crate) fn new() -> Self {
        let slots = (0..1_usize << SLOT_BITS).map(|_| Vec::new()).collect();
        Self {
            map: Box::new([0; MAP_WORDS]),
            slots,
            keywords: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keywords.is_empty()
    }

    /// Adds a keyword of at least 3 bytes; `fold` finds it in any ASCII case. A keyword of 3
    /// bytes is entered with each byte that `next` allows behind it.
    pub(crate) fn add(&mut self, text: &[u8], fold: bool, announces: A) {
        let keyword = self.keywords.len();
        self.keywords.push(Keyword {
            text: text.into(),
            fold,
            announces,
        });
        match text {
            [a, b, c] => {
                for next in 0x21..=0x7E_u8 {
                    self.enter(u32::from_le_bytes([*a, *b, *c, next]), 0, keyword);
                }
            }
            _ => {
                if let Some((offset, gram)) = rarest(text) {
                    self.enter(gram, offset, keyword);
                }
            }
        }
    }

    fn enter(&mut self, gram: u32, offset: usize, keyword: usize) {
        let gram = gram | FOLD;
        let hash = mix(gram);
        if let Some(word) = self.map.get_mut(word_of(hash)) {
            *word |= 1 << (hash & 63);
        }
        if let Some(slot) = self.slots.get_mut(slot_of(hash)) {
            let known = |entry: &Entry| entry.gram == gram && entry.keyword == keyword;
            if !slot.iter().any(known) {
                slot.push(Entry {
                    gram,
                    offset,
                    keyword,
                });
            }
        }
    }

    /// The next position from `from` on whose gram is in the map, or where the grams end.
    pub(crate) fn next(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let tail = bytes.get(from..)?;
        let hit = tail
            .windows(GRAM)
            .position(|window| self.may_hold(gram_of(window)));
        hit.map(|at| from + at)
    }

    #[inline(always)]
    fn may_hold(&self, gram: u32) -> bool {
        let hash = mix(gram | FOLD);
        self.map
            .get(word_of(hash))
            .is_some_and(|word| word >> (hash & 63) & 1 == 1)
    }

    /// The keywords whose gram stands at `at`.
    pub(crate) fn at<'g>(
        &'g self,
        view: &'g View<'g>,
        at: usize,
    ) -> impl Iterator<Item = Found<'g, A>> {
        let gram = view
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<GRAM>());
        let gram = gram.map(|bytes| u32::from_le_bytes(*bytes) | FOLD);
        let slot = gram.and_then(|gram| self.slots.get(slot_of(mix(gram))));
        slot.into_iter().flatten().filter_map(move |entry| {
            if Some(entry.gram) != gram {
                return None;
            }
            let keyword = self.keywords.get(entry.keyword)?;
            let start = at.checked_sub(entry.offset)?;
            keyword.compare(view, start)
        })
    }
}

impl<A> Keyword<A> {
    fn compare(&self, view: &View<'_>, start: usize) -> Option<Found<'_, A>> {
        let there = view.bytes.get(start..)?;
        let there = there.get(..self.text.len()).unwrap_or(there);
        let wanted = self.text.get(..there.len())?;
        let equal = if self.fold {
            there.eq_ignore_ascii_case(wanted)
        } else {
            there == wanted
        };
        if !equal {
            None
        } else if there.len() == self.text.len() {
            Some(Found::Keyword(start, &self.announces))
        } else {
            (!view.complete).then_some(Found::Cut)
        }
    }
}

#[inline(always)]
fn gram_of(window: &[u8]) -> u32 {
    window
        .first_chunk::<GRAM>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[inline(always)]
fn mix(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1) >> (32 - MAP_BITS)
}

#[inline(always)]
fn word_of(hash: u32) -> usize {
    (hash >> 6) as usize % MAP_WORDS
}

fn slot_of(hash: u32) -> usize {
    (hash >> (MAP_BITS - SLOT_BITS)) as usize
}

/// The gram of `text` that ordinary text is least likely to have, and its offset.
fn rarest(text: &[u8]) -> Option<(usize, u32)> {
    let grams = text.windows(GRAM).take(MAX_GRAM_OFFSET + 1).enumerate();
    let best = grams.max_by_key(|(offset, gram)| {
        let rarity: usize = gram.iter().map(|byte| rarity(*byte)).sum();
        (rarity, usize::MAX - offset)
    });
    best.map(|(offset, gram)| (offset, gram_of(gram)))
}

fn rarity(byte: u8) -> usize {
    let folded = byte.to_ascii_lowercase();
    FREQUENT
        .iter()
        .position(|frequent| *frequent == folded)
        .unwrap_or(FREQUENT.len())
}
