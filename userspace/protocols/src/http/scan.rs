//! The end of a head, found on the raw bytes and strictly by CRLF (RFC 9112 section 2.1).

use memchr::memchr2;

use super::error::Fault;
use super::limits::HEAD_BYTES;

/// What the bytes so far are.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// The head is not complete.
    NeedMore,
    /// The bytes start with an empty line, which a server ignores once (RFC 9112 section 2.2).
    EmptyLine,
    /// A head of this many bytes, its empty line included.
    Head(usize),
}

/// Looks for the end of a head in bytes that grow, each byte once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadScan {
    line: usize,
    at: usize,
}

impl HeadScan {
    /// Looks further. `bytes` start where they started at the last call.
    ///
    /// # Errors
    /// A bare CR or LF, and a head over [`HEAD_BYTES`].
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scanned, Fault> {
        while let Some(found) = bytes
            .get(self.at..)
            .and_then(|rest| memchr2(b'\r', b'\n', rest))
        {
            let end = self.at + found;
            if bytes.get(end) == Some(&b'\n') {
                return Err(Fault::BareLf);
            }
            match bytes.get(end + 1) {
                None => {
                    self.at = end;
                    return self.unfinished(bytes);
                }
                Some(b'\n') => {}
                Some(_) => return Err(Fault::BareCr),
            }
            if end == self.line {
                return self.complete(end + 2);
            }
            self.line = end + 2;
            self.at = self.line;
        }
        self.at = bytes.len();
        self.unfinished(bytes)
    }

    fn unfinished(&self, bytes: &[u8]) -> Result<Scanned, Fault> {
        if bytes.len() < HEAD_BYTES {
            return Ok(Scanned::NeedMore);
        }
        Err(if self.line == 0 {
            Fault::TargetTooLong
        } else {
            Fault::HeadTooLong
        })
    }

    fn complete(&self, length: usize) -> Result<Scanned, Fault> {
        match length {
            2 => Ok(Scanned::EmptyLine),
            3..=HEAD_BYTES => Ok(Scanned::Head(length)),
            _ => Err(Fault::HeadTooLong),
        }
    }
}
