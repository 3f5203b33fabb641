//! Bytes both ways, as they are: through a buffer that all flows of a thread share, then splice.
//!
//! The first [`SPLICE_AFTER`] bytes of a direction go through user space; what goes on longer
//! is a bulk transfer and goes through a pipe in the kernel (splice(2)), which comes from a
//! pool of the thread, because making one costs more than a short flow.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// Bytes of a direction that go through user space before its pipe is made.
const SPLICE_AFTER: u64 = 256 * 1024;
/// Size of a pipe, bytes.
const PIPE_BYTES: i32 = 1024 * 1024;
/// Pipes that a thread keeps for the next bulk transfer.
const POOLED_PIPES: usize = 16;
/// Bytes that are read at once in user space.
const BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    /// Flows of a thread take turns with it: one that is idle holds no buffer.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Relays until both sides are done. `passed` is told of bytes as they pass (up, down).
///
/// # Errors
/// When a side breaks off. The count so far went to `passed`.
pub(crate) async fn relay(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    passed: &RefCell<(u64, u64)>,
) -> io::Result<()> {
    let (client_read, client_write) = client.split();
    let (upstream_read, upstream_write) = upstream.split();
    let up = copy(client_read, upstream_write, |n| passed.borrow_mut().0 += n);
    let down = copy(upstream_read, client_write, |n| passed.borrow_mut().1 += n);
    tokio::try_join!(up, down).map(|_| ())
}

async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    passed: impl Fn(u64),
) -> io::Result<()> {
    if copy_in_user_space(&mut from, &mut to, &passed).await? == After::Bulk {
        let pipe = Pipe::take()?;
        let outcome = copy_in_kernel(&from, &to, &pipe, &passed).await;
        if outcome.is_ok() {
            // Only an empty pipe may serve another flow.
            pipe.give_back();
        }
        outcome?;
    }
    to.shutdown().await
}

#[derive(PartialEq, Eq)]
enum After {
    End,
    Bulk,
}

async fn copy_in_user_space(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    passed: &impl Fn(u64),
) -> io::Result<After> {
    let mut total = 0;
    let mut rest = Vec::new();
    while total < SPLICE_AFTER {
        let taken = poll_fn(|cx| pass_on(cx, from, to, &mut rest)).await?;
        if taken == 0 {
            return Ok(After::End);
        }
        if !rest.is_empty() {
            to.write_all(&rest).await?;
            rest = Vec::new();
        }
        passed(taken);
        total += taken;
    }
    Ok(After::Bulk)
}

/// Reads what is there and writes it; what the other side does not take at once goes to `rest`.
fn pass_on(
    cx: &mut Context<'_>,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    rest: &mut Vec<u8>,
) -> Poll<io::Result<u64>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut read = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        let written = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        rest.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Poll::Ready(Ok(bytes.len() as u64))
    })
}

async fn copy_in_kernel(
    from: &ReadHalf<'_>,
    to: &WriteHalf<'_>,
    pipe: &Pipe,
    passed: &impl Fn(u64),
) -> io::Result<()> {
    let from: &TcpStream = from.as_ref();
    let to: &TcpStream = to.as_ref();
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
    let most = usize::try_from(PIPE_BYTES).unwrap_or(BUFFER_BYTES);
    loop {
        let fill = || {
            Ok(splice(
                from.as_fd(),
                None,
                pipe.write.as_fd(),
                None,
                most,
                flags,
            )?)
        };
        let mut held = from.async_io(Interest::READABLE, fill).await?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            let drain = || {
                Ok(splice(
                    pipe.read.as_fd(),
                    None,
                    to.as_fd(),
                    None,
                    held,
                    flags,
                )?)
            };
            let n = to.async_io(Interest::WRITABLE, drain).await?;
            held = held.saturating_sub(n);
            passed(n as u64);
        }
    }
}

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

thread_local! {
    static POOL: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    fn take() -> io::Result<Self> {
        if let Some(pipe) = POOL.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        // A user near their limit of pipe pages gets a smaller pipe: slower, not wrong.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        Ok(Self { read, write })
    }

    fn give_back(self) {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < POOLED_PIPES {
                pool.push(self);
            }
        });
    }
}
