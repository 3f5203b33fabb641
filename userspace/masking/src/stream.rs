//! Masking a stream: chunks in, masked bytes out, the same wherever it is cut.

use crate::detect::View;
use crate::find::{Frontier, Span};
use crate::hits::Hits;
use crate::limits::PIECE;
use crate::masker::Compiled;
use crate::paint::{Painter, Writer, order};
use std::sync::Arc;

/// What the stream is, as its content type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Any text.
    #[default]
    Text,
    /// JSON texts (RFC 8259), one or several after another (JSON lines): values of named keys
    /// are masked too, masks stand inside quotes, and a masked number becomes a string.
    Json,
}

/// Masks one stream. It holds back [`crate::limits::HOLD`] bytes, and more only while a possible
/// match is undecided, never more than [`crate::limits::CARRY`].
pub struct StreamMasker {
    compiled: Arc<Compiled>,
    format: Format,
    /// Bytes that are not painted yet.
    held: Vec<u8>,
    frontier: Frontier,
    spans: Vec<Span>,
    painter: Painter,
    hits: Hits,
}

impl StreamMasker {
    pub(crate) fn new(compiled: Arc<Compiled>, format: Format) -> Self {
        let painter = painter(format);
        let (frontier, hits) = (Frontier::default(), Hits::default());
        Self {
            compiled,
            format,
            held: Vec::new(),
            frontier,
            spans: Vec::new(),
            painter,
            hits,
        }
    }

    /// Takes the next bytes of the stream and appends to `out` what is decided.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        for piece in chunk.chunks(PIECE) {
            self.held.extend_from_slice(piece);
            self.advance(false, out);
        }
    }

    /// The stream ends, or a message of it that a reader waits for (an event of an event
    /// stream, a row): appends all that is held. What is pushed next is a new stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.advance(true, out);
        self.painter.finish(&self.compiled, out);
        self.painter = painter(self.format);
        self.frontier = Frontier::default();
    }

    /// What was masked so far.
    #[must_use]
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Bytes that are held back now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn advance(&mut self, complete: bool, out: &mut Vec<u8>) {
        let view = View {
            bytes: &self.held,
            complete,
        };
        let finder = &self.compiled.finder;
        finder.scan(&view, &mut self.frontier, &mut self.spans);
        let settled = finder.settled(&view, &self.frontier);
        self.spans.sort_unstable_by_key(order);
        let due = self
            .spans
            .partition_point(|span| span.range.start < settled);
        let (bytes, _) = self.held.split_at(settled.min(self.held.len()));
        let spans = self.spans.get(..due).unwrap_or_default();
        self.painter
            .paint(&self.compiled, bytes, spans, out, &mut self.hits);
        self.spans.drain(..due);
        for span in &mut self.spans {
            span.range.start -= settled;
            span.range.end -= settled;
        }
        self.held.drain(..settled);
        self.frontier.advance(settled);
    }
}

fn painter(format: Format) -> Painter {
    Painter::new(match format {
        Format::Text => Writer::Text(None),
        Format::Json => Writer::Json(Box::default()),
    })
}

#[cfg(test)]
mod tests;
