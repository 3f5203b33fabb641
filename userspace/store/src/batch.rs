//! The frames of one append, built before the log is locked.

use serde::Serialize;
use sluice_flow::SessionId;

use crate::error::{Result, StoreError};
use crate::frame::{FRAME_HEADER, HASH, Hash, Header, Kind, MAX_PAYLOAD, digest, link};

/// A buffer that grew beyond this is not kept for the next append.
const KEPT_BUFFER: usize = 256 * 1024;

/// Frames that go into the log with one write.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Pending>,
}

/// A frame whose place is not known yet.
#[derive(Debug)]
struct Pending {
    start: usize,
    header: Header,
    payload: Hash,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BUFFER {
            self.bytes = Vec::new();
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Adds a record.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        session: SessionId,
        seq: u64,
        record: &impl Serialize,
    ) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_HEADER]);
        let body = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, record).map_err(|error| StoreError::Payload {
            position: seq,
            why: error.to_string(),
        })?;
        let payload = self.bytes.get(body..).unwrap_or_default();
        let header = Header {
            len: length(payload.len())?,
            kind,
            session,
            seq,
            back: crate::frame::NONE,
        };
        let payload = digest(payload);
        self.bytes.extend_from_slice(&[0; HASH]);
        self.frames.push(Pending {
            start,
            header,
            payload,
        });
        Ok(())
    }

    /// Gives the frames their place: the first goes to `position`, behind `hash`, and the one
    /// before it in its session is at `back`. Gives the last frame's place and hash.
    pub(crate) fn place(&mut self, position: u64, mut hash: Hash, mut back: u64) -> (u64, Hash) {
        for frame in &mut self.frames {
            frame.header.back = back;
            let header = frame.header.encode();
            hash = link(&hash, &header, &frame.payload);
            back = position.saturating_add(frame.start as u64);
            let whole = frame.start..frame.start.saturating_add(frame.header.frame_len());
            let bytes = self.bytes.get_mut(whole).unwrap_or_default();
            if let Some(at) = bytes.first_chunk_mut() {
                *at = header;
            }
            if let Some(at) = bytes.last_chunk_mut() {
                *at = hash;
            }
        }
        (back, hash)
    }

    /// Numbers the frames from `first` on: notes get their number when the log is locked.
    pub(crate) fn number(&mut self, first: u64) {
        for (frame, seq) in self.frames.iter_mut().zip(first..) {
            frame.header.seq = seq;
        }
    }
}

fn length(bytes: usize) -> Result<u32> {
    u32::try_from(bytes)
        .ok()
        .filter(|_| bytes <= MAX_PAYLOAD)
        .ok_or(StoreError::TooLong { bytes })
}
