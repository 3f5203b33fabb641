//! Before the session: requests for encryption, cancelling, and the startup packet.

use std::future::poll_fn;

use sluice_flow::gate::no_body;
use sluice_flow::{Cause, Effect, Gate, Judgement, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::sql::{Analysed, settings_effect};

use super::buffer::Buffer;
use super::codec::Broken;
use super::error::ServeError;
use super::session::{Facts, Session};
use super::startup::{self, CancelKey, Opened, Startup, TLS_HANDSHAKE};

/// How a connection opened.
pub(crate) enum Opening<'a> {
    /// A session; its startup packet was sent to the server.
    Session(Box<Session<'a>>),
    /// It was only a request to cancel, and that is done.
    Done,
}

/// Reads opening packets until there is a session. Encryption is not spoken on this leg: the
/// client is told so, and goes on in clear or not at all.
pub(crate) async fn open<'a, C, S, G>(
    client: &mut C,
    upstream: &mut S,
    gate: &mut G,
    buffer: &mut Buffer,
    facts: Facts<'a>,
) -> Result<Opening<'a>, ServeError>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
    G: Gate,
{
    let (mut asked_ssl, mut asked_gss) = (false, false);
    loop {
        let (packet, length) = next_packet(client, buffer).await?;
        let asked = match packet {
            startup::Opening::Ssl => &mut asked_ssl,
            startup::Opening::Gss => &mut asked_gss,
            startup::Opening::Cancel(key) => {
                cancel(&key, buffer, length, upstream, facts).await?;
                return Ok(Opening::Done);
            }
            startup::Opening::Startup(startup) => {
                let session = begin(&startup, buffer, length, gate, facts).await?;
                return Ok(Opening::Session(Box::new(session)));
            }
        };
        if std::mem::replace(asked, true) {
            return Err(broken("encryption was asked for twice"));
        }
        buffer.consume(length);
        // What is sent before the answer would be taken for part of the session
        // (CVE-2021-23214, CVE-2021-23222).
        if !buffer.is_empty() {
            return Err(broken("bytes came before the answer about encryption"));
        }
        client
            .write_all(b"N")
            .await
            .map_err(ServeError::ClientGone)?;
        client.flush().await.map_err(ServeError::ClientGone)?;
    }
}

fn broken(what: &'static str) -> ServeError {
    ServeError::Client(Broken::Startup(what))
}

async fn next_packet<C: AsyncRead + Unpin>(
    client: &mut C,
    buffer: &mut Buffer,
) -> Result<(startup::Opening, usize), ServeError> {
    loop {
        if buffer.bytes().first() == Some(&TLS_HANDSHAKE) {
            return Err(broken("it is TLS, which this leg does not speak"));
        }
        match startup::opening(buffer.bytes()).map_err(ServeError::Client)? {
            Opened::Packet(packet, length) => return Ok((packet, length)),
            Opened::Need(_) => {
                let read = poll_fn(|context| buffer.poll_fill(context, client)).await;
                if read.map_err(ServeError::ClientGone)? == 0 {
                    let early = std::io::ErrorKind::UnexpectedEof;
                    return Err(ServeError::ClientGone(early.into()));
                }
            }
        }
    }
}

/// Relays a CancelRequest for a session that runs through the gate.
async fn cancel<S: AsyncWrite + AsyncRead + Unpin>(
    key: &CancelKey,
    buffer: &Buffer,
    length: usize,
    upstream: &mut S,
    facts: Facts<'_>,
) -> Result<(), ServeError> {
    if !facts.cancels.ask(key) {
        return Err(broken("it cancels a session that the gate does not know"));
    }
    let packet = buffer.bytes().get(..length).unwrap_or_default();
    upstream
        .write_all(packet)
        .await
        .map_err(ServeError::UpstreamGone)?;
    upstream.flush().await.map_err(ServeError::UpstreamGone)?;
    // The server closes when it is done, and the client waits for that.
    let mut end = Buffer::default();
    while end.is_empty() {
        match poll_fn(|context| end.poll_fill(context, upstream)).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
    Err(ServeError::Upstream(Broken::OutOfPlace('?')))
}

/// Sends the startup packet on, if what it sets may be set.
async fn begin<'a, G: Gate>(
    startup: &Startup,
    buffer: &mut Buffer,
    length: usize,
    gate: &mut G,
    facts: Facts<'a>,
) -> Result<Session<'a>, ServeError> {
    if startup.wants_replication() {
        let refusal = Refusal::of(
            Cause::UnknownProtocol,
            "replication connections are not let through",
        );
        gate.refused(&refusal);
        return Err(ServeError::Refused(refusal));
    }
    let user = startup.parameter("user").unwrap_or_default();
    let database = startup.parameter("database").unwrap_or(user);
    let mut session = Session::new(facts, user, database);
    settings(startup, &mut session, gate).await?;
    let packet = buffer.bytes().get(..length).unwrap_or_default();
    session.up.extend_from_slice(packet);
    buffer.consume(length);
    Ok(session)
}

/// Judges what the startup packet sets, where that is more than how answers look: it is SET
/// by another way.
async fn settings<G: Gate>(
    startup: &Startup,
    session: &mut Session<'_>,
    gate: &mut G,
) -> Result<(), ServeError> {
    let mut analysed = Analysed::plain("set", Effect::Read);
    match startup.settings() {
        Some(settings) => {
            for (name, value) in &settings {
                settings_effect(name, value, &mut analysed);
                if analysed.statement.effect > Effect::Read && analysed.statement.text.is_empty() {
                    analysed.statement.text = format!("SET {name} = '{value}'");
                }
            }
        }
        None => {
            let options = startup.parameter("options").unwrap_or_default();
            analysed = Analysed::unknown(&format!("(startup options) {options}"), "set");
        }
    }
    session.certain.search_path = !analysed.moves_search_path;
    if analysed.statement.effect == Effect::Read {
        return Ok(());
    }
    let operation = session.operation("query", vec![analysed.statement]);
    let refusal = match gate.judge(operation).await {
        Judgement::Forward(_) => return Ok(()),
        Judgement::Refuse(refusal) => refusal,
        Judgement::ReadBody(_) => no_body(),
        Judgement::Hold(hold) => match hold.answer.await {
            Ok(_) => return Ok(()),
            Err(refusal) => refusal,
        },
    };
    Err(ServeError::Refused(refusal))
}
