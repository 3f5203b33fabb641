//! Writing JSON (RFC 8259) so that it stays JSON: a tokenizer that goes along with the bytes.
//!
//! It needs no whole document: a bit a level tells objects from arrays, so that it knows a key
//! from a value. Masks stand inside quotes, an escape is masked whole or not at all, and a
//! number or word becomes a string. Bytes that are no JSON pass through the same states; their
//! hits are masked all the same.

use crate::hits::Hits;
use crate::limits::{MAX_JSON_BARE, MAX_JSON_DEPTH, MAX_JSON_KEY};
use crate::masker::Compiled;
use crate::replace::{Cover, Identity};
use memchr::{memchr, memchr2};

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Outside strings, numbers and words.
    #[default]
    Between,
    Key,
    Text,
    /// A number or word, held back until its end.
    Bare,
    /// One that is longer than can be held: written as it comes.
    LongBare,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    /// Behind the backslash.
    Begun,
    /// Hex digits to come.
    Hex(u8),
}

/// The tokenizer's state.
#[derive(Default)]
pub(crate) struct JsonWriter {
    depth: u32,
    /// One bit a level, the lowest is the current one: an object.
    objects: u128,
    expects_key: bool,
    place: Place,
    escape: Escape,
    /// The current escape is being masked.
    escape_covered: bool,
    /// The key that is being read, still escaped, one byte longer than allowed when too long.
    key: Vec<u8>,
    /// Who masks the value of the key that was read last.
    next: Option<Identity>,
    /// Who masks all values of the container of this depth.
    within: Option<(Identity, u32)>,
    /// Who masks the current value because of its key.
    value: Option<Identity>,
    bare: Vec<u8>,
    /// Who masks the current number or word because of what was found in it.
    bare_found: Option<Identity>,
    cover: Option<Cover>,
}

/// What every step writes to.
struct Sink<'a> {
    compiled: &'a Compiled,
    out: &'a mut Vec<u8>,
    hits: &'a mut Hits,
}

impl JsonWriter {
    pub(crate) fn write(
        &mut self,
        compiled: &Compiled,
        bytes: &[u8],
        by: Option<Identity>,
        out: &mut Vec<u8>,
        hits: &mut Hits,
    ) {
        let mut sink = Sink {
            compiled,
            out,
            hits,
        };
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            if by.is_none() && self.cover.is_none() && !sink.compiled.names_json_keys() {
                let plain = self.skim(rest);
                if let Some((plain, left)) = rest.split_at_checked(plain)
                    && !plain.is_empty()
                {
                    sink.out.extend_from_slice(plain);
                    rest = left;
                    continue;
                }
            }
            let in_string = matches!(self.place, Place::Key | Place::Text);
            if in_string && self.escape == Escape::None {
                let plain = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                if let Some((content, left)) = rest.split_at_checked(plain).filter(|_| plain > 0) {
                    self.content(content, by, &mut sink);
                    rest = left;
                    continue;
                }
            }
            match self.place {
                Place::Key | Place::Text => self.in_string(*first, by, &mut sink),
                Place::Bare | Place::LongBare => self.in_bare(*first, by, &mut sink),
                Place::Between => self.between(*first, by, &mut sink),
            }
            rest = behind;
        }
    }

    /// How many bytes can pass as they are, when nothing is found in them and no key counts.
    /// What the state must follow byte by byte is left: an escape, a word that may go on.
    fn skim(&mut self, bytes: &[u8]) -> usize {
        let mut at = self.skim_without_escapes(bytes);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.place {
                Place::Key | Place::Text if self.escape == Escape::None => {
                    let plain = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    at += plain;
                    match rest.get(plain) {
                        Some(b'"') => self.place = Place::Between,
                        Some(_) | None => return at,
                    }
                    at += 1;
                }
                Place::Between if rest.first() == Some(&b'"') => {
                    self.place = Place::Text;
                    at += 1;
                }
                Place::Between => {
                    let word = rest.iter().position(|byte| ends_bare(*byte));
                    let Some(word) = word.filter(|word| *word <= MAX_JSON_BARE) else {
                        return at;
                    };
                    let behind = rest.get(word..).unwrap_or_default();
                    let quote = behind
                        .iter()
                        .position(|byte| *byte == b'"' || !ends_bare(*byte));
                    at += word + quote.unwrap_or(behind.len());
                }
                Place::Key | Place::Text | Place::Bare | Place::LongBare => return at,
            }
        }
        at
    }

    /// The part of [`Self::skim`] that needs no look at what lies between: without a backslash
    /// each quote begins or ends a string, so that their number tells where the end stands.
    fn skim_without_escapes(&mut self, bytes: &[u8]) -> usize {
        let within = match self.place {
            Place::Key | Place::Text if self.escape == Escape::None => true,
            Place::Between => false,
            Place::Key | Place::Text | Place::Bare | Place::LongBare => return 0,
        };
        let plain = memchr(b'\\', bytes).unwrap_or(bytes.len());
        let (plain, _) = bytes.split_at_checked(plain).unwrap_or((bytes, &[]));
        let quotes = plain.iter().filter(|byte| **byte == b'"').count();
        if within ^ (quotes % 2 == 1) {
            self.place = match (self.place, quotes) {
                (place, 0) => place,
                _ => Place::Text,
            };
            return plain.len();
        }
        // A word at the end may go on.
        let word = plain.iter().rev().take_while(|byte| !ends_bare(**byte));
        let plain = plain.len() - word.count();
        if plain > 0 {
            self.place = Place::Between;
        }
        plain
    }

    /// A region of hits ends. A mask that stands for a value, or for half an escape, goes on.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if self.value.is_none() && self.escape == Escape::None {
            self.flush(out);
        }
    }

    /// The stream ends.
    pub(crate) fn finish(&mut self, compiled: &Compiled, out: &mut Vec<u8>) {
        if self.place == Place::Bare {
            self.end_bare(&mut Sink {
                compiled,
                out,
                hits: &mut Hits::default(),
            });
        }
        self.flush(out);
    }

    #[inline]
    fn flush(&mut self, out: &mut Vec<u8>) {
        if let Some(cover) = self.cover.take() {
            cover.finish(out);
        }
    }

    #[inline]
    fn between(&mut self, byte: u8, by: Option<Identity>, sink: &mut Sink<'_>) {
        match byte {
            b'"' => {
                self.flush(sink.out);
                if self.expects_key {
                    self.place = Place::Key;
                    self.key.clear();
                } else {
                    self.place = Place::Text;
                    self.value = self.named(sink.compiled);
                }
            }
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => self.shut(),
            b',' => {
                self.expects_key = self.in_object();
                self.next = None;
            }
            b':' => self.expects_key = false,
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                self.place = Place::Bare;
                self.value = self.named(sink.compiled);
                return self.in_bare(byte, by, sink);
            }
        }
        self.flush(sink.out);
        sink.out.push(byte);
    }

    /// Who masks the value that begins, because of its key, its container or its depth.
    fn named(&mut self, compiled: &Compiled) -> Option<Identity> {
        let deep = if self.depth > MAX_JSON_DEPTH {
            compiled.any_json_key()
        } else {
            None
        };
        self.next
            .take()
            .or(self.within.map(|(identity, _)| identity))
            .or(deep)
    }

    fn open(&mut self, object: bool) {
        self.depth = self.depth.saturating_add(1);
        if let (Some(identity), None) = (self.next.take(), self.within) {
            self.within = Some((identity, self.depth));
        }
        if self.depth <= MAX_JSON_DEPTH {
            self.objects = self.objects << 1 | u128::from(object);
        }
        self.expects_key = self.in_object();
    }

    fn shut(&mut self) {
        if self.depth <= MAX_JSON_DEPTH {
            self.objects >>= 1;
        }
        self.depth = self.depth.saturating_sub(1);
        if self.within.is_some_and(|(_, depth)| self.depth < depth) {
            self.within = None;
        }
        self.next = None;
        self.expects_key = false;
    }

    fn in_object(&self) -> bool {
        (1..=MAX_JSON_DEPTH).contains(&self.depth) && self.objects & 1 == 1
    }

    fn in_string(&mut self, byte: u8, by: Option<Identity>, sink: &mut Sink<'_>) {
        let escaping = self.escape != Escape::None;
        self.escape = match (self.escape, byte) {
            (Escape::None, b'"') => return self.end_string(sink),
            (Escape::None, _) => Escape::Begun,
            (Escape::Begun, b'u') => Escape::Hex(4),
            (Escape::Hex(left), _) if left > 1 => Escape::Hex(left - 1),
            (Escape::Begun | Escape::Hex(_), _) => Escape::None,
        };
        if escaping {
            // An escape goes the way of its backslash; found in its middle, a hit begins after.
            let by = if self.escape_covered {
                by.or(self.lent())
            } else {
                None
            };
            self.content(&[byte], by, sink);
        } else {
            self.escape_covered = by.is_some();
            self.content(&[byte], by, sink);
        }
    }

    /// The identity that a cover already has is kept when a region ended within an escape.
    fn lent(&self) -> Option<Identity> {
        self.cover.as_ref().map(Cover::identity)
    }

    /// Bytes of a string, masked or not.
    fn content(&mut self, bytes: &[u8], by: Option<Identity>, sink: &mut Sink<'_>) {
        if self.place == Place::Key && sink.compiled.names_json_keys() {
            let room = (MAX_JSON_KEY + 1).saturating_sub(self.key.len());
            self.key
                .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let Some(identity) = self.value.or(by) else {
            self.flush(sink.out);
            sink.out.extend_from_slice(bytes);
            return;
        };
        if self.cover.is_none()
            && let Some(value) = self.value
        {
            sink.hits
                .add(value.detected, sink.compiled.rule_name(value.rule));
        }
        let cover = self
            .cover
            .get_or_insert_with(|| Cover::new(identity, &sink.compiled.key));
        if let Some(found) = by {
            cover.strengthen(found.strategy);
        }
        cover.absorb(bytes);
    }

    fn end_string(&mut self, sink: &mut Sink<'_>) {
        self.flush(sink.out);
        sink.out.push(b'"');
        if self.place == Place::Key {
            self.next = self.key_identity(sink.compiled);
            self.expects_key = false;
        }
        self.value = None;
        self.place = Place::Between;
    }

    /// A key that is too long, or no valid string, cannot be compared: it counts as named.
    fn key_identity(&self, compiled: &Compiled) -> Option<Identity> {
        let any = compiled.any_json_key()?;
        let quoted = [b"\"", self.key.as_slice(), b"\""].concat();
        match serde_json::from_slice::<String>(&quoted) {
            Ok(key) if self.key.len() <= MAX_JSON_KEY => compiled.json_key(&key),
            Ok(_) | Err(_) => Some(any),
        }
    }

    fn in_bare(&mut self, byte: u8, by: Option<Identity>, sink: &mut Sink<'_>) {
        if ends_bare(byte) {
            if self.place == Place::Bare {
                self.end_bare(sink);
            }
            self.flush(sink.out);
            self.value = None;
            self.place = Place::Between;
            return self.between(byte, by, sink);
        }
        if self.place == Place::LongBare {
            return self.content(&[byte], by, sink);
        }
        self.bare_found = self.bare_found.or(by);
        self.bare.push(byte);
        if self.bare.len() > MAX_JSON_BARE {
            self.place = Place::LongBare;
            let (bare, found) = (std::mem::take(&mut self.bare), self.bare_found.take());
            self.content(&bare, found, sink);
        }
    }

    /// A number or word ends: as it was, or as a string.
    fn end_bare(&mut self, sink: &mut Sink<'_>) {
        let bare = std::mem::take(&mut self.bare);
        let found = self.bare_found.take();
        let null = bare == b"null" && found.is_none();
        if null || self.value.or(found).is_none() {
            sink.out.extend_from_slice(&bare);
        } else {
            sink.out.push(b'"');
            self.content(&bare, found, sink);
            self.flush(sink.out);
            sink.out.push(b'"');
        }
        self.value = None;
        self.place = Place::Between;
    }
}

fn ends_bare(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"') || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests;
