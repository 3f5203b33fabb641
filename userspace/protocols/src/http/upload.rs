//! A request on its way to the server.

use std::cell::Cell;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::edit;
use super::frames::Frames;
use super::leg::Incoming;
use super::relay::{RelayFault, relay};
use super::request::{RequestHead, Upgrade};

/// Sends a request that has its verdict: its head (as it came, unless `masked` or its wish for
/// HTTP/2 changes it), then its body.
pub(super) async fn upload<R, W>(
    from: &mut Incoming<R>,
    head_bytes: usize,
    request: &RequestHead,
    masked: bool,
    to: &mut W,
    passed: &Cell<u64>,
) -> Result<(), RelayFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
{
    let mut frames = Frames::of(request.body);
    let clear_http2 = request.upgrade == Upgrade::TakenOff;
    if !clear_http2 && !masked {
        return relay(from, head_bytes, &mut frames, to, passed).await;
    }
    let head = from.bytes.get(..head_bytes).unwrap_or_default();
    let edited = edit::request(head, clear_http2, masked);
    to.write_all(&edited).await.map_err(|_| RelayFault::Sink)?;
    passed.set(passed.get() + edited.len() as u64);
    from.used(head_bytes);
    relay(from, 0, &mut frames, to, passed).await
}
