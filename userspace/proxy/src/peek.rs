//! The first bytes of a client, looked at without taking them.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use sluice_protocols::detect::{Detection, detect};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use crate::limits::{FIRST_BYTES_WAIT, MAX_PEEK};

/// The same bytes keep a socket readable: how long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What the first bytes look like. They stay in the socket.
pub(crate) async fn first_bytes(client: &TcpStream, port: u16) -> Detection {
    let deadline = Instant::now() + FIRST_BYTES_WAIT;
    let mut seen = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let look = poll_fn(|cx| poll_look(cx, client, port));
        let Ok(Ok((there, found))) = tokio::time::timeout(left, look).await else {
            return Detection::NeedMore;
        };
        let over = there == 0 || there == MAX_PEEK || left.is_zero();
        if found != Detection::NeedMore || over {
            return found;
        }
        if there == seen {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        seen = there;
    }
}

/// How many bytes are there, and what they look like. The buffer is not kept while it waits.
fn poll_look(
    cx: &mut Context<'_>,
    client: &TcpStream,
    port: u16,
) -> Poll<io::Result<(usize, Detection)>> {
    let mut buffer = [0; MAX_PEEK];
    let mut bytes = ReadBuf::new(&mut buffer);
    let there = ready!(client.poll_peek(cx, &mut bytes))?;
    Poll::Ready(Ok((there, detect(bytes.filled(), port))))
}
