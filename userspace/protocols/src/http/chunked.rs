//! The chunked coding (RFC 9112 section 7.1), strict: what two parsers could read differently is
//! broken. Pure; fed in pieces of any size with equal results.

use super::error::Fault;
use super::limits::{CHUNK_LINE_BYTES, TRAILER_BYTES};

/// How many of the bytes at hand were read.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Leading bytes that frame: size lines, line ends, trailers.
    pub framing: usize,
    /// Bytes of the body after them.
    pub data: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Digits of a size; whether there was one.
    Size { value: u64, digits: bool },
    /// After `;`.
    Extension { value: u64 },
    /// After the CR of a size line.
    SizeEnd { value: u64 },
    /// Inside of a chunk.
    Data { left: u64 },
    /// Before the CR after a chunk.
    DataCr,
    /// Before the LF after a chunk.
    DataLf,
    /// At the start of a trailer line.
    TrailerStart,
    /// In a trailer's name.
    TrailerName,
    /// In a trailer's value.
    TrailerValue,
    /// After the CR of a trailer line.
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
    /// All read.
    Done,
}

/// Where a reader of a chunked body is.
#[derive(Debug, Clone)]
pub struct Chunked {
    state: State,
    line: usize,
    trailers: usize,
    name: Vec<u8>,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::Size {
                value: 0,
                digits: false,
            },
            line: 0,
            trailers: 0,
            name: Vec::new(),
        }
    }
}

impl Chunked {
    /// Whether the last byte of the body, its trailers included, was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads framing up to the next data, and that data, as far as `bytes` go.
    ///
    /// # Errors
    /// Anything that is not exactly RFC 9112's grammar, and what is over a limit.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let mut framing = 0;
        for byte in bytes {
            if matches!(self.state, State::Data { .. } | State::Done) {
                break;
            }
            self.frame(*byte)?;
            framing += 1;
        }
        let State::Data { left } = self.state else {
            return Ok(Step { framing, data: 0 });
        };
        let data = (bytes.len() - framing).min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left.saturating_sub(data as u64);
        self.state = if left == 0 {
            State::DataCr
        } else {
            State::Data { left }
        };
        Ok(Step { framing, data })
    }

    fn frame(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, _) => self.size(value, digits, byte)?,
            (State::Extension { value }, _) => self.extension(value, byte)?,
            (State::SizeEnd { value: 0 }, b'\n') => State::TrailerStart,
            (State::SizeEnd { value }, b'\n') => State::Data { left: value },
            (State::SizeEnd { .. }, _) => return Err(Fault::Chunk("a bare CR")),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size {
                value: 0,
                digits: false,
            },
            (State::DataCr | State::DataLf, _) => {
                return Err(Fault::Chunk("no CRLF after its data"));
            }
            (
                State::TrailerStart
                | State::TrailerName
                | State::TrailerValue
                | State::TrailerLf
                | State::EndLf,
                _,
            ) => self.trailer(byte)?,
            (state @ (State::Data { .. } | State::Done), _) => state,
        };
        Ok(())
    }

    fn size(&mut self, value: u64, digits: bool, byte: u8) -> Result<State, Fault> {
        self.one_more_of_the_line()?;
        if let Some(digit) = char::from(byte).to_digit(16) {
            let value = value
                .checked_mul(16)
                .and_then(|v| v.checked_add(u64::from(digit)));
            let value = value.ok_or(Fault::Chunk("its size is over 64 bits"))?;
            return Ok(State::Size {
                value,
                digits: true,
            });
        }
        match byte {
            b';' if digits => Ok(State::Extension { value }),
            b'\r' if digits => Ok(self.end_of_line(value)),
            _ => Err(Fault::Chunk("its size is not hexadecimal")),
        }
    }

    fn extension(&mut self, value: u64, byte: u8) -> Result<State, Fault> {
        self.one_more_of_the_line()?;
        match byte {
            b'\r' => Ok(self.end_of_line(value)),
            b'\t' | b' '..=b'~' | 0x80.. => Ok(State::Extension { value }),
            0..=0x1f | 0x7f => Err(Fault::Chunk("a control character in an extension")),
        }
    }

    fn one_more_of_the_line(&mut self) -> Result<(), Fault> {
        self.line += 1;
        if self.line > CHUNK_LINE_BYTES + 1 {
            return Err(Fault::ChunkLineTooLong);
        }
        Ok(())
    }

    fn end_of_line(&mut self, value: u64) -> State {
        self.line = 0;
        State::SizeEnd { value }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Fault> {
        self.trailers += 1;
        if self.trailers > TRAILER_BYTES {
            return Err(Fault::TrailersTooLong);
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerName, b':') => self.named(),
            (State::TrailerStart | State::TrailerName, _) if is_token(byte) => {
                self.name.push(byte.to_ascii_lowercase());
                Ok(State::TrailerName)
            }
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            (_, _) => Err(Fault::Chunk("its trailer section")),
        }
    }

    /// A trailer must not frame, route or authenticate (RFC 9110 section 6.5.1): a server that
    /// merges trailers into its fields would act on what was not judged.
    fn named(&mut self) -> Result<State, Fault> {
        const HEAD_ONLY: [&[u8]; 15] = [
            b"authorization",
            b"connection",
            b"content-encoding",
            b"content-length",
            b"content-range",
            b"content-type",
            b"cookie",
            b"expect",
            b"host",
            b"range",
            b"set-cookie",
            b"te",
            b"trailer",
            b"transfer-encoding",
            b"upgrade",
        ];
        let name = std::mem::take(&mut self.name);
        if HEAD_ONLY.contains(&name.as_slice()) {
            return Err(Fault::Trailer);
        }
        Ok(State::TrailerValue)
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
