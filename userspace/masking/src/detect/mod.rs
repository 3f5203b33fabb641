//! Detectors: each looks at one anchor and answers from a bounded window around it.
//!
//! A detector never decides from where a chunk ends: at the end of an incomplete view it says
//! [`Probe::More`], and the anchor is looked at again when more bytes are there.

pub(crate) mod assignment;
pub(crate) mod card;
pub(crate) mod email;
pub(crate) mod iban;
pub(crate) mod jwt;
pub(crate) mod pem;
mod tail;
pub(crate) mod token;

#[cfg(test)]
mod tests;

pub(crate) use tail::Tail;

/// The bytes that a detector sees: those not yet passed on, and whether the stream ends here.
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) complete: bool,
}

/// What a detector says about an anchor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Nothing here.
    No,
    /// It cannot be told before more bytes are there.
    More,
    /// These bytes.
    Hit(Range),
}

/// The bytes of a hit, and how it goes on behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) tail: Tail,
}

impl Probe {
    pub(crate) fn hit(start: usize, end: usize) -> Self {
        Self::Hit(Range {
            start,
            end,
            tail: Tail::None,
        })
    }
}

impl<'a> View<'a> {
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|at| self.byte(at))
    }

    /// The bytes from `from` on, at most `most`.
    pub(crate) fn window(&self, from: usize, most: usize) -> &'a [u8] {
        let rest = self.bytes.get(from..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    /// Whether bytes that belong to a window of `most` from `from` are still to come.
    pub(crate) fn lacks(&self, from: usize, most: usize) -> bool {
        !self.complete && self.bytes.len() < from.saturating_add(most)
    }

    /// How many bytes from `from` on fulfil `is`, at most `most`; `None` when that depends on
    /// bytes to come.
    pub(crate) fn run(&self, from: usize, most: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
        let window = self.window(from, most);
        match window.iter().position(|byte| !is(*byte)) {
            Some(length) => Some(length),
            None if window.len() < most && !self.complete => None,
            None => Some(window.len()),
        }
    }

    /// Whether a word may begin at `at`: no word character before it, or the last character of
    /// an escape (`\n`, `\u003c`, `%3D`).
    pub(crate) fn word_starts(&self, at: usize) -> bool {
        match self.before(at) {
            None => true,
            Some(byte) if !is_word(byte) => true,
            Some(_) => self.escape_before(at),
        }
    }

    fn escape_before(&self, at: usize) -> bool {
        let back = |count: usize| {
            at.checked_sub(count)
                .and_then(|from| self.bytes.get(from..at))
        };
        let letter =
            back(2).is_some_and(|b| matches!(b, [b'\\', b'n' | b'r' | b't' | b'b' | b'f']));
        let percent = back(3).is_some_and(|b| {
            matches!(b, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
        });
        let unicode = back(6).is_some_and(
            |b| matches!(b, [b'\\', b'u', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit)),
        );
        letter || percent || unicode
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Base64url without padding (RFC 4648 section 5).
pub(crate) fn is_base64url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// Shannon entropy in bits a byte; 0 for nothing.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let share = |count: u32| f64::from(count) / total;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -share(*count) * share(*count).log2())
        .sum()
}
