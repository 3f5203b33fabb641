//! Bytes that were read and not dealt with. Nothing is kept while nothing flows.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that one read takes at most.
const READ_BYTES: usize = 64 << 10;

/// Capacity that an empty buffer keeps.
const KEPT_BYTES: usize = 4 << 10;

thread_local! {
    /// Where reads go first, so that a flow that waits for bytes holds none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Bytes that were read and not dealt with.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            start: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.start = 0;
            release(&mut self.bytes);
        }
    }

    /// Reads once; 0 at the end of the stream.
    pub(crate) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(context, &mut read))?;
            self.append(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
    }

    fn append(&mut self, bytes: &[u8]) {
        // Moving what is left costs no more than what was dealt with since.
        if self.start > self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// What is left to do for bytes that were written.
#[derive(Default)]
pub(crate) struct Pipe {
    flushing: bool,
}

impl Pipe {
    /// Writes as much as the other side takes; gives how much that was.
    pub(crate) fn write<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
        bytes: &mut Vec<u8>,
    ) -> io::Result<u64> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *to).poll_write(context, rest) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        if written >= bytes.len() {
            release(bytes);
        } else {
            bytes.drain(..written);
        }
        self.flushing |= written > 0;
        // A transport that frames (TLS) sends what it has.
        if self.flushing
            && let Poll::Ready(flushed) = Pin::new(to).poll_flush(context)
        {
            self.flushing = false;
            flushed?;
        }
        Ok(written as u64)
    }
}

/// Empties a buffer, and gives a large one back.
fn release(bytes: &mut Vec<u8>) {
    bytes.clear();
    if bytes.capacity() > KEPT_BYTES {
        *bytes = Vec::new();
    }
}
