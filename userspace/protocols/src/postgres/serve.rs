//! One PostgreSQL connection from its first byte to its last.

use std::io;

use sluice_flow::Gate;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::buffer::Buffer;
use super::error::ServeError;
use super::limits::{LINGER, LINGER_BYTES};
use super::opening::{Opening, open};
use super::refusal;
use super::relay::Relay;
use super::session::Facts;

/// Serves a client whose first bytes may have been read already (`prefix`), with a server
/// that was dialled and has not been spoken to.
///
/// Every operation is judged before a byte of it reaches the server. The future ends when
/// both sides have closed, or with an error after which both should be dropped; what the
/// client has to be told was told, and refusals that no verdict gave were noted.
///
/// It holds no buffer of its own size while nothing flows.
///
/// # Errors
/// [`ServeError`] says who is to blame.
pub async fn serve<C, S, G>(
    mut client: C,
    mut upstream: S,
    gate: &mut G,
    prefix: &[u8],
    facts: Facts<'_>,
) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
    G: Gate,
{
    let mut buffer = Buffer::of(prefix);
    let opened = open(&mut client, &mut upstream, gate, &mut buffer, facts).await;
    let served = match opened {
        Ok(Opening::Done) => return Ok(()),
        Ok(Opening::Session(session)) => {
            let mut relay = Relay::new(*session, buffer);
            let served = relay.run(&mut client, &mut upstream, gate).await;
            relay.count(gate);
            // Between two messages of the server the client can still be told something.
            let whole = relay.session.down_passing == 0;
            let rest = std::mem::take(&mut relay.session.down);
            served.map_err(|error| (error, whole.then_some(rest)))
        }
        Err(error) => Err((error, Some(Vec::new()))),
    };
    match served {
        Ok(()) => {
            let _ = client.shutdown().await;
            Ok(())
        }
        Err((error, rest)) => {
            if let Some(refusal) = error.refusal() {
                // The refusals of the gate are noted already.
                if !matches!(error, ServeError::Refused(_)) {
                    gate.refused(&refusal);
                }
                if let Some(mut last) = rest {
                    last.extend_from_slice(&refusal::refuse(&refusal));
                    let _ = timeout(LINGER, part(&mut client, &last)).await;
                }
            }
            Err(error)
        }
    }
}

/// Tells a client why it is left. What it still sends is read, for a while: closing with
/// unread bytes would reset the connection and take the message back.
async fn part<C: AsyncRead + AsyncWrite + Unpin>(client: &mut C, last: &[u8]) -> io::Result<()> {
    client.write_all(last).await?;
    client.shutdown().await?;
    let mut rest = client.take(LINGER_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
