//! The bytes of the log: what a segment starts with, and what one record looks like.
//!
//! All numbers are little-endian. A segment starts with a header of [`SEGMENT_HEADER`] bytes:
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`] |
//! | 4 | zero |
//! | 8 | position of this segment: bytes of the log before it |
//! | 32 | hash of the last frame of the segment before it; zeros in the first |
//! | 32 | BLAKE3 of the 56 bytes above: the chain goes on from here |
//!
//! Frames follow without gaps:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the payload, at most [`MAX_PAYLOAD`] |
//! | 1 | [`Kind`] |
//! | 3 | zero |
//! | 16 | session (zeros in notes) |
//! | 8 | sequence number in the session, or among the notes |
//! | 8 | position of the frame before it of the same session (or the note before it); [`NONE`] |
//! | 8 | BLAKE3 of the 40 bytes above, cut |
//! | n | payload: compact JSON |
//! | 32 | BLAKE3 of (the 32 bytes before this frame, its 48 bytes of header, BLAKE3 of its payload) |
//!
//! The header has a checksum of its own, so that a length that was changed is told apart from
//! a frame whose end was not written. The payload goes into the chain by its digest, so that
//! only little is hashed while the log is locked, and retention may one day drop a payload
//! and keep the chain.

use sluice_flow::SessionId;
use uuid::Uuid;

/// The first bytes of a segment.
pub const MAGIC: [u8; 8] = *b"sluicelg";
/// Version of the layout on this page.
pub const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub const SEGMENT_HEADER: usize = 88;
/// Bytes of a frame before its payload.
pub const FRAME_HEADER: usize = 48;
/// Bytes of a hash.
pub const HASH: usize = 32;
/// The most bytes of one payload. An event over it is not recorded, and its session ends.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// The position that no frame has: there is none before.
pub const NONE: u64 = u64::MAX;

/// A link of the chain.
pub type Hash = [u8; HASH];

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An event of a session.
    Event,
    /// A note of the daemon.
    Note,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Event => 1,
            Self::Note => 2,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Event, Self::Note]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub len: u32,
    /// What the payload is.
    pub kind: Kind,
    /// The session; nil for a note.
    pub session: SessionId,
    /// Number in the session, or among the notes.
    pub seq: u64,
    /// Position of the one before, or [`NONE`].
    pub back: u64,
}

impl Header {
    /// Bytes of the whole frame.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        usize::try_from(self.len)
            .unwrap_or(MAX_PAYLOAD)
            .saturating_add(FRAME_HEADER + HASH)
    }

    /// The bytes of it, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; FRAME_HEADER] {
        let mut fields = [0; 40];
        fill(
            &mut fields,
            &[
                &self.len.to_le_bytes(),
                &[self.kind.code(), 0, 0, 0],
                self.session.0.as_bytes(),
                &self.seq.to_le_bytes(),
                &self.back.to_le_bytes(),
            ],
        );
        let mut bytes = [0; FRAME_HEADER];
        fill(&mut bytes, &[&fields, &header_check(&fields)]);
        bytes
    }
}

/// Lays `fields` one after the other.
fn fill(mut bytes: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        let Some((to, rest)) = bytes.split_at_mut_checked(field.len()) else {
            return;
        };
        to.copy_from_slice(field);
        bytes = rest;
    }
}

fn header_check(fields: &[u8; 40]) -> [u8; 8] {
    *blake3::hash(fields)
        .as_bytes()
        .first_chunk()
        .unwrap_or(&[0; 8])
}

/// What is wrong with bytes that ought to be a frame or a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The header's checksum is another one.
    #[error("the frame's header does not agree with its checksum")]
    HeaderChecksum,
    /// The checksum is right and the header still is none of ours.
    #[error("the frame's header holds what this version does not know")]
    HeaderField,
    /// Longer than [`MAX_PAYLOAD`].
    #[error("the frame says it is longer than a frame can be")]
    TooLong,
    /// It is not the frame that was written behind the one before it.
    #[error("the hash chain breaks: this is not the record that was written here")]
    Chain,
    /// Not the start of a segment.
    #[error("this is not the start of a segment of a sluice log (version {VERSION})")]
    SegmentHeader,
}

/// The answer of [`decode`].
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// One frame, and how many bytes it took.
    Consumed(Frame<'a>, usize),
    /// At least so many more bytes are needed.
    NeedMore(usize),
    /// Never going to be a frame.
    Broken(Broken),
}

/// One record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its fixed part.
    pub header: Header,
    /// Its fixed part as it stands in the log.
    pub header_bytes: &'a [u8; FRAME_HEADER],
    /// Compact JSON.
    pub payload: &'a [u8],
    /// The link that stands in the log.
    pub hash: &'a Hash,
}

impl Frame<'_> {
    /// Whether the frame is the one that was written after `previous`.
    #[must_use]
    pub fn follows(&self, previous: &Hash) -> bool {
        link(previous, self.header_bytes, &digest(self.payload)) == *self.hash
    }
}

/// The digest of a payload, as it goes into the chain.
#[must_use]
pub fn digest(payload: &[u8]) -> Hash {
    *blake3::hash(payload).as_bytes()
}

/// The next link of the chain.
#[must_use]
pub fn link(previous: &Hash, header: &[u8; FRAME_HEADER], payload: &Hash) -> Hash {
    let mut bytes = [0; HASH + FRAME_HEADER + HASH];
    fill(&mut bytes, &[previous, header, payload]);
    *blake3::hash(&bytes).as_bytes()
}

/// Takes the frame at the start of `bytes`. The chain is not looked at: [`Frame::follows`].
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<'_> {
    let Some((header_bytes, rest)) = bytes.split_first_chunk::<FRAME_HEADER>() else {
        return Decoded::NeedMore(FRAME_HEADER.saturating_sub(bytes.len()));
    };
    let header = match decode_header(header_bytes) {
        Ok(header) => header,
        Err(broken) => return Decoded::Broken(broken),
    };
    let whole = header.frame_len();
    let found = rest
        .split_at_checked(whole.saturating_sub(FRAME_HEADER + HASH))
        .and_then(|(payload, rest)| Some((payload, rest.first_chunk::<HASH>()?)));
    match found {
        None => Decoded::NeedMore(whole.saturating_sub(bytes.len())),
        Some((payload, hash)) => Decoded::Consumed(
            Frame {
                header,
                header_bytes,
                payload,
                hash,
            },
            whole,
        ),
    }
}

/// Reads the fixed part of a frame.
///
/// # Errors
/// When it is none.
pub fn decode_header(bytes: &[u8; FRAME_HEADER]) -> Result<Header, Broken> {
    let mut fields = Fields(bytes);
    let checked = bytes.first_chunk::<40>().map(header_check);
    if checked.as_ref() != bytes.last_chunk::<8>() {
        return Err(Broken::HeaderChecksum);
    }
    let header = fields.header().ok_or(Broken::HeaderField)?;
    if usize::try_from(header.len).map_or(true, |len| len > MAX_PAYLOAD) {
        return Err(Broken::TooLong);
    }
    Ok(header)
}

/// Takes fixed-size fields off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn segment_header(&mut self) -> Option<SegmentHeader> {
        let _magic_version_and_zeros = self.take::<16>()?;
        Some(SegmentHeader {
            base: u64::from_le_bytes(self.take()?),
            previous: self.take()?,
        })
    }

    fn header(&mut self) -> Option<Header> {
        let len = u32::from_le_bytes(self.take()?);
        let [kind, zeros @ ..] = self.take::<4>()?;
        let session = SessionId(Uuid::from_bytes(self.take()?));
        let seq = u64::from_le_bytes(self.take()?);
        let back = u64::from_le_bytes(self.take()?);
        (zeros == [0; 3]).then_some(())?;
        Some(Header {
            len,
            kind: Kind::of(kind)?,
            session,
            seq,
            back,
        })
    }
}

/// The start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Bytes of the log before it.
    pub base: u64,
    /// Hash of the frame before it; zeros in the first.
    pub previous: Hash,
}

impl SegmentHeader {
    /// The bytes of it; the last 32 are what the chain goes on from.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let fields = self.fields();
        let mut bytes = [0; SEGMENT_HEADER];
        fill(&mut bytes, &[&fields, &digest(&fields)]);
        bytes
    }

    /// What the chain of the segment goes on from.
    #[must_use]
    pub fn seed(&self) -> Hash {
        digest(&self.fields())
    }

    fn fields(&self) -> [u8; SEGMENT_HEADER - HASH] {
        let mut bytes = [0; SEGMENT_HEADER - HASH];
        let (version, base) = (VERSION.to_le_bytes(), self.base.to_le_bytes());
        fill(
            &mut bytes,
            &[&MAGIC, &version, &[0; 4], &base, &self.previous],
        );
        bytes
    }

    /// Reads it.
    ///
    /// # Errors
    /// When this is no start of a segment, or one of another version.
    pub fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, Broken> {
        Fields(bytes)
            .segment_header()
            .filter(|header| header.encode() == *bytes)
            .ok_or(Broken::SegmentHeader)
    }
}
