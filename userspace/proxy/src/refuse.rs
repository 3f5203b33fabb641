//! Refusals of connections: at once, in the words of the protocol that the client speaks, as a
//! reset where there are no words.

use std::io;
use std::time::Duration;

use sluice_flow::Refusal;
use sluice_protocols::detect::Detection;
use sluice_protocols::postgres::startup::{Opened, Opening, opening};
use sluice_protocols::{http, postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a refused client may take to say what its protocol wants said before an answer.
const WORDS_WAIT: Duration = Duration::from_secs(2);
/// Bytes of a refused client that are read away, so that the close is no reset that takes the
/// answer with it.
const MAX_DRAINED: usize = 256 * 1024;

/// Refuses a connection.
pub(crate) async fn refuse(client: &mut TcpStream, detected: Detection, refusal: &Refusal) {
    let words = async {
        match detected {
            Detection::Http => say(client, &http::refuse(refusal)).await,
            Detection::Postgres => refuse_postgres(client, refusal).await,
            Detection::Tls | Detection::Ssh | Detection::Unknown | Detection::NeedMore => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    };
    let said = tokio::time::timeout(WORDS_WAIT, words).await;
    if !matches!(said, Ok(Ok(()))) {
        reset(client);
    }
}

/// PostgreSQL, chapter 55.2: encryption is declined first, then the startup packet is answered.
async fn refuse_postgres(client: &mut TcpStream, refusal: &Refusal) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        match opening(&bytes).map_err(broken)? {
            Opened::Need(length) => {
                let missing = length.saturating_sub(bytes.len()).max(1);
                let mut more = vec![0; missing];
                client.read_exact(&mut more).await?;
                bytes.append(&mut more);
            }
            Opened::Packet(Opening::Ssl | Opening::Gss, _) => {
                client.write_all(b"N").await?;
                bytes.clear();
            }
            Opened::Packet(Opening::Startup(_), _) => {
                return say(client, &postgres::refuse(refusal)).await;
            }
            // A request to cancel is never answered.
            Opened::Packet(Opening::Cancel(_), _) => return Ok(()),
        }
    }
}

async fn say(client: &mut TcpStream, words: &[u8]) -> io::Result<()> {
    client.write_all(words).await?;
    client.shutdown().await?;
    let mut drained = 0;
    let mut buffer = vec![0; 16 * 1024];
    while drained < MAX_DRAINED {
        match client.read(&mut buffer).await? {
            0 => break,
            n => drained = drained.saturating_add(n),
        }
    }
    Ok(())
}

/// Makes the close of this connection a reset, so that its client sees a refusal at once.
pub(crate) fn reset(client: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a refused connection ends without a reset");
    }
}
