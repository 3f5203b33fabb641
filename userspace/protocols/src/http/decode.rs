//! Takes the content coding off a body, a bounded piece at a time.
//!
//! The output never grows over [`DECODED_PIECE`] in memory, whatever the input is: a bomb is an
//! error at the piece that explodes.

use std::io::Write;

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, HeapAlloc, HuffmanCode};
use flate2::{Decompress, FlushDecompress, Status, write::MultiGzDecoder};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use super::limits::{DECODE_PIECE, DECODED_BYTES, DECODED_PIECE, READ_BYTES, ZSTD_WINDOW_LOG};
use super::response::Coding;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// A coding that the gate does not know, or several.
    #[error("its Content-Encoding is not one of gzip, deflate, br and zstd")]
    Coding,
    /// Not what its coding says.
    #[error("it is not what its Content-Encoding says")]
    Corrupt,
    /// It ended in the middle.
    #[error("it ends before its Content-Encoding says so")]
    CutShort,
    /// It grows beyond all measure.
    #[error("{DECODE_PIECE} bytes of it decode to over {DECODED_PIECE}: a decompression bomb")]
    Bomb,
    /// Over [`DECODED_BYTES`].
    #[error("it decodes to over {DECODED_BYTES} bytes")]
    TooLong,
    /// A part of a representation cannot be masked: what is sensitive may be cut.
    #[error("it is a part of a representation, which cannot be masked")]
    Partial,
    /// After a 101 comes another protocol.
    #[error("another protocol follows, which cannot be masked")]
    Tunnel,
}

type Brotli = BrotliState<HeapAlloc<u8>, HeapAlloc<u32>, HeapAlloc<HuffmanCode>>;

enum Kind {
    Identity,
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// zlib, or raw deflate: the first byte tells.
    Deflate(Option<Decompress>),
    Brotli(Box<Brotli>),
    Zstd(Zstd<'static>),
}

/// Takes one coding off.
pub struct Decoder {
    kind: Kind,
    started: bool,
    ended: bool,
    total: u64,
}

impl Decoder {
    /// For one body.
    ///
    /// # Errors
    /// A coding that is not known.
    pub fn new(coding: Coding) -> Result<Self, DecodeFault> {
        let kind = match coding {
            Coding::Identity => Kind::Identity,
            Coding::Gzip => Kind::Gzip(MultiGzDecoder::new(Vec::new())),
            Coding::Deflate => Kind::Deflate(None),
            Coding::Brotli => Kind::Brotli(Box::new(BrotliState::new(
                HeapAlloc::new(0),
                HeapAlloc::new(0),
                HeapAlloc::new(HuffmanCode::default()),
            ))),
            Coding::Zstd => Kind::Zstd(bounded_zstd().map_err(|_| DecodeFault::Coding)?),
            Coding::Unknown => return Err(DecodeFault::Coding),
        };
        Ok(Self {
            kind,
            started: false,
            ended: false,
            total: 0,
        })
    }

    /// Decodes `input` and gives what comes out to `sink`, in pieces.
    ///
    /// # Errors
    /// Corrupt input, bytes after its end, a bomb, and a body over the limit.
    pub fn push(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<(), DecodeFault> {
        self.started |= !input.is_empty();
        if matches!(self.kind, Kind::Identity) {
            self.count(input.len())?;
            sink(input);
            return Ok(());
        }
        for piece in input.chunks(DECODE_PIECE) {
            let mut of_piece = 0;
            self.piece(piece, &mut |decoded| {
                of_piece += decoded.len();
                if of_piece > DECODED_PIECE {
                    return Err(DecodeFault::Bomb);
                }
                sink(decoded);
                Ok(())
            })?;
            self.count(of_piece)?;
        }
        Ok(())
    }

    /// Ends the body; what was still inside goes to `sink`.
    ///
    /// # Errors
    /// A body that is not complete.
    pub fn finish(&mut self, sink: &mut impl FnMut(&[u8])) -> Result<(), DecodeFault> {
        match &mut self.kind {
            Kind::Gzip(gzip) if self.started => {
                gzip.try_finish().map_err(|_| DecodeFault::CutShort)?;
                sink(gzip.get_ref());
                Ok(())
            }
            Kind::Identity | Kind::Gzip(_) => Ok(()),
            Kind::Deflate(_) | Kind::Brotli(_) | Kind::Zstd(_) if self.started && !self.ended => {
                Err(DecodeFault::CutShort)
            }
            Kind::Deflate(_) | Kind::Brotli(_) | Kind::Zstd(_) => Ok(()),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), DecodeFault> {
        self.total = self.total.saturating_add(bytes as u64);
        if self.total > DECODED_BYTES {
            Err(DecodeFault::TooLong)
        } else {
            Ok(())
        }
    }

    fn piece(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> Result<(), DecodeFault> {
        match &mut self.kind {
            Kind::Identity => sink(piece),
            Kind::Gzip(gzip) => gzip_piece(gzip, piece, sink),
            Kind::Deflate(deflate) => {
                let deflate = deflate.get_or_insert_with(|| Decompress::new(starts_zlib(piece)));
                deflate_piece(deflate, piece, &mut self.ended, sink)
            }
            Kind::Brotli(state) => brotli_piece(state, piece, &mut self.ended, sink),
            Kind::Zstd(zstd) => zstd_piece(zstd, piece, &mut self.ended, sink),
        }
    }
}

type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), DecodeFault> + 'a;

fn bounded_zstd() -> std::io::Result<Zstd<'static>> {
    let mut zstd = Zstd::new()?;
    zstd.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
    Ok(zstd)
}

/// The compression method and window of RFC 1950 section 2.2; raw deflate hardly starts so.
fn starts_zlib(piece: &[u8]) -> bool {
    piece
        .first()
        .is_some_and(|first| first & 0x0f == 8 && first >> 4 <= 7)
}

/// Deflate cannot grow a piece by more than 1032 times, so its output is taken in one.
fn gzip_piece(
    gzip: &mut MultiGzDecoder<Vec<u8>>,
    piece: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), DecodeFault> {
    gzip.write_all(piece)
        .and_then(|()| gzip.flush())
        .map_err(|_| DecodeFault::Corrupt)?;
    let decoded = std::mem::take(gzip.get_mut());
    sink(&decoded)
}

fn deflate_piece(
    deflate: &mut Decompress,
    piece: &[u8],
    ended: &mut bool,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeFault> {
    let mut out = vec![0; READ_BYTES];
    let mut rest = piece;
    loop {
        if *ended {
            return if rest.is_empty() {
                Ok(())
            } else {
                Err(DecodeFault::Corrupt)
            };
        }
        let (read, written) = (deflate.total_in(), deflate.total_out());
        let status = deflate
            .decompress(rest, &mut out, FlushDecompress::None)
            .map_err(|_| DecodeFault::Corrupt)?;
        let read = usize::try_from(deflate.total_in() - read).unwrap_or(usize::MAX);
        let written = usize::try_from(deflate.total_out() - written).unwrap_or(usize::MAX);
        sink(out.get(..written).unwrap_or_default())?;
        rest = rest.get(read..).unwrap_or_default();
        *ended = status == Status::StreamEnd;
        if !*ended && written < out.len() && rest.is_empty() {
            return Ok(());
        }
        if !*ended && read == 0 && written == 0 {
            return Err(DecodeFault::Corrupt);
        }
    }
}

fn brotli_piece(
    state: &mut Brotli,
    piece: &[u8],
    ended: &mut bool,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeFault> {
    if *ended && !piece.is_empty() {
        return Err(DecodeFault::Corrupt);
    }
    let mut out = vec![0; READ_BYTES];
    let (mut left, mut at, mut total) = (piece.len(), 0, 0);
    loop {
        let (mut room, mut written) = (out.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            piece,
            &mut room,
            &mut written,
            &mut out,
            &mut total,
            state,
        );
        sink(out.get(..written).unwrap_or_default())?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Ok(()),
            BrotliResult::ResultSuccess => {
                *ended = true;
                return if left == 0 {
                    Ok(())
                } else {
                    Err(DecodeFault::Corrupt)
                };
            }
            BrotliResult::ResultFailure => return Err(DecodeFault::Corrupt),
        }
    }
}

/// Several frames may follow one another (RFC 8878 section 3.1).
fn zstd_piece(
    zstd: &mut Zstd<'static>,
    piece: &[u8],
    ended: &mut bool,
    sink: &mut Sink<'_>,
) -> Result<(), DecodeFault> {
    let mut out = vec![0; READ_BYTES];
    let mut input = InBuffer::around(piece);
    loop {
        let mut output = OutBuffer::around(out.as_mut_slice());
        let hint = zstd
            .run(&mut input, &mut output)
            .map_err(|_| DecodeFault::Corrupt)?;
        let written = output.pos();
        let full = written == out.len();
        sink(out.get(..written).unwrap_or_default())?;
        *ended = hint == 0;
        if input.pos() == piece.len() && !full {
            return Ok(());
        }
    }
}
