//! A body that passes byte for byte unchanged.

use std::cell::Cell;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::error::Fault;
use super::frames::Frames;
use super::leg::Incoming;

/// Why a relay stopped.
#[derive(Debug)]
pub(super) enum RelayFault {
    /// The bytes of the side that is read are wrong, or end too early.
    Source(Fault),
    /// The side that is read broke off.
    SourceIo(io::Error),
    /// The side that is written broke off.
    Sink,
}

/// Relays `lead` bytes that were read already (a head), then a body, as it is framed. Only bytes
/// whose framing was checked pass. Head and what came with it leave in one write.
pub(super) async fn relay<R, W>(
    from: &mut Incoming<R>,
    lead: usize,
    frames: &mut Frames,
    to: &mut W,
    passed: &Cell<u64>,
) -> Result<(), RelayFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
{
    let mut lead = lead;
    loop {
        let after_lead = from.bytes.get(lead..).unwrap_or_default();
        let measured = frames.measure(after_lead);
        let checked = lead + measured.map_err(RelayFault::Source)?;
        to.write_all(from.bytes.get(..checked).unwrap_or_default())
            .await
            .map_err(|_| RelayFault::Sink)?;
        to.flush().await.map_err(|_| RelayFault::Sink)?;
        passed.set(passed.get() + checked as u64);
        from.used(checked);
        lead = 0;
        if frames.is_done() {
            return Ok(());
        }
        let expected = frames
            .expected()
            .unwrap_or(super::limits::READ_BYTES as u64 * 4);
        if from
            .fill_bulk(expected)
            .await
            .map_err(RelayFault::SourceIo)?
            == 0
        {
            return frames.end_of_stream().map_err(RelayFault::Source);
        }
    }
}
