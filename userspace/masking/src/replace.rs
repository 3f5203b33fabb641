//! What is put in place of a hit, made while its bytes go by: a hit may be longer than memory.

use crate::hits::Detected;
use crate::spec::Strategy;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// Bytes of the end of a hit that are kept for [`Strategy::Partial`]: 16 characters of UTF-8.
const TAIL: usize = 64;
/// Hex digits of a pseudonym: 64 bits, so that two values share one in a job about never.
const PSEUDONYM_HEX: usize = 16;
/// Hex digits of a hash: 128 bits.
const HASH_HEX: usize = 32;

/// The host's key, expanded once. A keyed hash, since cards and e-mails can be enumerated.
#[derive(Clone)]
pub(crate) struct HostKey(Hmac<Sha256>);

impl HostKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // RFC 2104 section 2: a key shorter than the block is filled up with zeros.
        let mut block = [0_u8; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self(Hmac::new(&block.into()))
    }
}

/// Who masks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) detected: Detected,
    pub(crate) rule: u16,
    pub(crate) strategy: Strategy,
}

impl Identity {
    /// Takes the stricter strategy of the two; the class stays the first one's.
    pub(crate) fn strengthen(&mut self, strategy: Strategy) {
        if strategy.strictness() > self.strategy.strictness() {
            self.strategy = strategy;
        }
    }
}

/// A mask in the making: absorbs the bytes that it stands for.
pub(crate) struct Cover {
    identity: Identity,
    mac: Hmac<Sha256>,
    tail: Vec<u8>,
    characters: u64,
}

impl Cover {
    pub(crate) fn new(identity: Identity, key: &HostKey) -> Self {
        Self {
            identity,
            mac: key.0.clone(),
            tail: Vec::new(),
            characters: 0,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn strengthen(&mut self, strategy: Strategy) {
        self.identity.strengthen(strategy);
    }

    pub(crate) fn absorb(&mut self, bytes: &[u8]) {
        self.mac.update(bytes);
        let starts = bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.characters = self
            .characters
            .saturating_add(u64::try_from(starts).unwrap_or(u64::MAX));
        let kept = bytes
            .get(bytes.len().saturating_sub(TAIL)..)
            .unwrap_or_default();
        self.tail.extend_from_slice(kept);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// Writes the mask. It has no quote, backslash or control character, so that it can stand
    /// in a JSON string, a CSV field or a header.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        let class = self.identity.detected.name();
        match self.identity.strategy {
            Strategy::Redact => out.extend_from_slice(format!("[redacted:{class}]").as_bytes()),
            Strategy::Partial { keep_last } => self.partial(keep_last, out),
            Strategy::Hash => {
                out.extend_from_slice(b"sha256:");
                out.extend_from_slice(&hex(self.mac, HASH_HEX));
            }
            Strategy::Tokenise => {
                out.extend_from_slice(format!("tok_{class}_").as_bytes());
                out.extend_from_slice(&hex(self.mac, PSEUDONYM_HEX));
            }
        }
    }

    fn partial(self, keep_last: u8, out: &mut Vec<u8>) {
        let half = usize::try_from(self.characters / 2).unwrap_or(usize::MAX);
        let kept = usize::from(keep_last).min(half);
        let tail = String::from_utf8_lossy(&self.tail);
        let skipped = tail.chars().count().saturating_sub(kept);
        let shown = tail
            .chars()
            .skip(skipped)
            .map(|c| if c.is_alphanumeric() { c } else { '*' });
        out.extend_from_slice(b"****");
        out.extend_from_slice(shown.collect::<String>().as_bytes());
    }
}

fn hex(mac: Hmac<Sha256>, digits: usize) -> Vec<u8> {
    let mut text = String::new();
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text.into_bytes()
}
