//! One side of a connection: its bytes that were read and not yet used, and its two halves.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

use super::limits::{BULK_BYTES, READ_BYTES};

/// A stream, taken apart so that both directions move at the same time.
pub(super) struct Leg<S> {
    pub(super) incoming: Incoming<S>,
    pub(super) out: WriteHalf<S>,
}

/// What comes in on a stream.
pub(super) struct Incoming<S> {
    io: ReadHalf<S>,
    /// Bytes that were read and not yet used.
    pub(super) bytes: BytesMut,
}

impl<S: AsyncRead + AsyncWrite> Leg<S> {
    pub(super) fn new(stream: S, bytes: BytesMut) -> Self {
        let (io, out) = tokio::io::split(stream);
        Self {
            incoming: Incoming { io, bytes },
            out,
        }
    }
}

impl<S: AsyncRead + AsyncWrite> Incoming<S> {
    /// Reads some bytes more; 0 is the end of the stream. No buffer is held while it waits: an
    /// idle connection costs none. Dropping it loses nothing.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        self.bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Like [`Incoming::fill`], where `expected` bytes are known to come: straight into a large
    /// buffer.
    pub(super) async fn fill_bulk(&mut self, expected: u64) -> io::Result<usize> {
        let most = usize::try_from(expected).map_or(BULK_BYTES, |some| some.min(BULK_BYTES));
        if most <= READ_BYTES {
            return self.fill().await;
        }
        self.bytes.reserve(most);
        self.io.read_buf(&mut (&mut self.bytes).limit(most)).await
    }

    /// Forgets bytes that were used, and the buffer with the last of them.
    pub(super) fn used(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }

    /// Gives the buffer back where nothing is in it.
    pub(super) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}
