//! The opaque stream after a 101: bytes both ways, counted.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use sluice_flow::gate::{Direction, Gate};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::leg::{Incoming, Leg};
use super::limits::BULK_BYTES;

/// Relays both ways until both sides have ended, or one broke off.
pub(super) async fn tunnel<C, S, G>(
    client: &mut Leg<C>,
    server: &mut Leg<S>,
    gate: &mut G,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    S: AsyncRead + AsyncWrite,
    G: Gate,
{
    let (up, down) = (Cell::new(0), Cell::new(0));
    let mut upward = pin!(copy(&mut client.incoming, &mut server.out, &up));
    let mut downward = pin!(copy(&mut server.incoming, &mut client.out, &down));
    let (mut up_done, mut down_done) = (false, false);
    poll_fn(|cx| {
        let mut result = Ok(());
        if !up_done && let Poll::Ready(ended) = upward.as_mut().poll(cx) {
            up_done = true;
            result = ended;
        }
        if !down_done && let Poll::Ready(ended) = downward.as_mut().poll(cx) {
            down_done = true;
            result = result.and(ended);
        }
        for (direction, count) in [(Direction::Up, &up), (Direction::Down, &down)] {
            if count.get() > 0 {
                gate.passed(direction, count.take());
            }
        }
        if result.is_err() || (up_done && down_done) {
            return Poll::Ready(result);
        }
        Poll::Pending
    })
    .await
}

async fn copy<R, W>(from: &mut Incoming<R>, to: &mut W, passed: &Cell<u64>) -> io::Result<()>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
{
    let mut last = 0;
    loop {
        if from.bytes.is_empty() {
            from.release();
            // Where much came at once, more will: the large buffer is taken only then.
            let expected = if last >= super::limits::READ_BYTES {
                BULK_BYTES as u64
            } else {
                0
            };
            last = from.fill_bulk(expected).await?;
            if last == 0 {
                return to.shutdown().await;
            }
        }
        let count = from.bytes.len();
        to.write_all(&from.bytes).await?;
        to.flush().await?;
        passed.set(passed.get() + count as u64);
        from.used(count);
    }
}
