//! Painting: writes final bytes out, with a mask where spans cover them.
//!
//! Spans that overlap become one region: its class is that of the span that begins first (the
//! longest, then the most telling one), its strategy the strictest of all. So the end of an
//! overlapped secret is never left standing.

use crate::detect::Tail;
use crate::find::Span;
use crate::hits::{Detected, Hits};
use crate::json::JsonWriter;
use crate::masker::Compiled;
use crate::replace::{Cover, Identity};
use smallvec::SmallVec;

/// How many different findings of one region are counted; more are the same region still.
const MAX_SEEN: usize = 8;

/// Where bytes and masks go.
pub(crate) enum Writer {
    /// Any text.
    Text(Option<Cover>),
    /// JSON that stays JSON.
    Json(Box<JsonWriter>),
}

impl Writer {
    /// Writes bytes, or their mask.
    fn write(
        &mut self,
        compiled: &Compiled,
        bytes: &[u8],
        by: Option<Identity>,
        out: &mut Vec<u8>,
        hits: &mut Hits,
    ) {
        match (self, by) {
            (Self::Json(json), by) => json.write(compiled, bytes, by, out, hits),
            (Self::Text(_), None) => out.extend_from_slice(bytes),
            (Self::Text(cover), Some(identity)) => {
                let cover = cover.get_or_insert_with(|| Cover::new(identity, &compiled.key));
                cover.strengthen(identity.strategy);
                cover.absorb(bytes);
            }
        }
    }

    /// The region ends: its mask is written.
    fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => json.close(out),
            Self::Text(cover) => {
                if let Some(cover) = cover.take() {
                    cover.finish(out);
                }
            }
        }
    }

    fn finish(&mut self, compiled: &Compiled, out: &mut Vec<u8>) {
        self.close(out);
        if let Self::Json(json) = self {
            json.finish(compiled, out);
        }
    }
}

/// A region that is being masked.
struct Region {
    identity: Identity,
    /// Where the known spans of it end, in the bytes that are not painted yet.
    end: usize,
    tails: SmallVec<[Tail; 2]>,
    seen: SmallVec<[(Detected, u16); 4]>,
}

/// The painter of one stream.
pub(crate) struct Painter {
    writer: Writer,
    region: Option<Region>,
}

impl Painter {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer,
            region: None,
        }
    }

    /// Paints `bytes`. `spans` are all the spans that begin in them, sorted by [`order`].
    pub(crate) fn paint(
        &mut self,
        compiled: &Compiled,
        bytes: &[u8],
        spans: &[Span],
        out: &mut Vec<u8>,
        hits: &mut Hits,
    ) {
        let mut at = 0;
        for span in spans {
            at = self.paint_to(compiled, bytes, at, span.range.start, out, hits);
            self.cover(compiled, span, out, hits);
        }
        self.paint_to(compiled, bytes, at, bytes.len(), out, hits);
        if let Some(region) = &mut self.region {
            region.end = region.end.saturating_sub(bytes.len());
        }
    }

    /// The stream ends.
    pub(crate) fn finish(&mut self, compiled: &Compiled, out: &mut Vec<u8>) {
        self.region = None;
        self.writer.finish(compiled, out);
    }

    /// Paints up to `to`, where no span begins in between.
    fn paint_to(
        &mut self,
        compiled: &Compiled,
        bytes: &[u8],
        mut at: usize,
        to: usize,
        out: &mut Vec<u8>,
        hits: &mut Hits,
    ) -> usize {
        if let Some(region) = &mut self.region {
            let known = region.end.clamp(at, to);
            let tailed = if region.end <= to {
                region.follow(bytes.get(known..to).unwrap_or_default())
            } else {
                0
            };
            let masked = bytes.get(at..known + tailed).unwrap_or_default();
            if !masked.is_empty() {
                self.writer
                    .write(compiled, masked, Some(region.identity), out, hits);
            }
            at = known + tailed;
            region.end = region.end.max(at);
            if at < to {
                self.region = None;
                self.writer.close(out);
            }
        }
        if let Some(clear) = bytes.get(at..to).filter(|clear| !clear.is_empty()) {
            self.writer.write(compiled, clear, None, out, hits);
        }
        to.max(at)
    }

    /// A span begins: it joins the region that covers its first byte, or opens one.
    fn cover(&mut self, compiled: &Compiled, span: &Span, out: &mut Vec<u8>, hits: &mut Hits) {
        let start = span.range.start;
        let joined = self.region.as_ref().is_some_and(|region| {
            region.end > start || region.tails.iter().any(|tail| *tail != Tail::None)
        });
        if !joined {
            self.writer.close(out);
            self.region = None;
        }
        let region = self
            .region
            .get_or_insert_with(|| Region::new(span.identity, start));
        region.identity.strengthen(span.identity.strategy);
        region.end = region.end.max(span.range.end);
        region.add_tail(span.range.tail);
        let found = (span.identity.detected, span.identity.rule);
        if !region.seen.contains(&found) && region.seen.len() < MAX_SEEN {
            region.seen.push(found);
            hits.add(
                span.identity.detected,
                compiled.rule_name(span.identity.rule),
            );
        }
    }
}

impl Region {
    fn new(identity: Identity, end: usize) -> Self {
        Self {
            identity,
            end,
            tails: SmallVec::new(),
            seen: SmallVec::new(),
        }
    }

    /// One tail of each kind is enough: they take the same characters.
    fn add_tail(&mut self, tail: Tail) {
        let kind = std::mem::discriminant(&tail);
        let known = self
            .tails
            .iter()
            .any(|other| std::mem::discriminant(other) == kind);
        if tail != Tail::None && !known {
            self.tails.push(tail);
        }
    }

    /// How many of the bytes behind the known spans belong to a tail.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let longest = self
            .tails
            .iter_mut()
            .map(|tail| tail.take(bytes))
            .max()
            .unwrap_or(0);
        self.tails.retain(|tail| *tail != Tail::None);
        longest
    }
}

/// The order in which spans are painted: by beginning, the longest first, then the most telling.
pub(crate) fn order(span: &Span) -> (usize, std::cmp::Reverse<usize>, u8, u16) {
    let telling = match span.identity.detected {
        Detected::Secret => 0,
        Detected::Token => 1,
        Detected::Jwt => 2,
        Detected::PrivateKey => 3,
        Detected::CreditCard => 4,
        Detected::Iban => 5,
        Detected::Email => 6,
        Detected::Assignment => 7,
        Detected::Custom => 8,
        Detected::Column => 9,
        Detected::JsonKey => 10,
    };
    (
        span.range.start,
        std::cmp::Reverse(span.range.end),
        telling,
        span.identity.rule,
    )
}
