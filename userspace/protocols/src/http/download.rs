//! A response on its way to the client.

use std::cell::Cell;
use std::io;

use sluice_flow::gate::{Answer, Gate};
use sluice_flow::{Pass, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};

use super::decode::DecodeFault;
use super::edit::MaskedEnd;
use super::error::Fault;
use super::fields::{Body, Version};
use super::frames::Frames;
use super::leg::Incoming;
use super::limits::INTERIM_RESPONSES;
use super::masked::download_masked;
use super::relay::{RelayFault, relay};
use super::response::ResponseHead;
use super::scan::{HeadScan, Scanned};

/// What a response is read by: the request that it answers.
pub(super) struct Asked<'a> {
    pub(super) version: Version,
    pub(super) to_head: bool,
    /// The protocol that the request may change to, in lower case.
    pub(super) upgrade: Option<&'a str>,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Downloaded {
    /// Both sides may go on.
    KeptAlive,
    /// The connection ends with it.
    Closed,
    /// The server agreed to another protocol.
    Upgraded,
}

/// Why a response stopped.
#[derive(Debug)]
pub(super) enum DownFault {
    /// The server closed without a byte of an answer.
    Nothing,
    /// The server's bytes are wrong.
    Upstream(Fault),
    /// The server broke off.
    UpstreamIo(io::Error),
    /// The client broke off.
    ClientGone,
    /// The body must be masked and cannot be decoded.
    Undecodable(DecodeFault),
    /// The gate refuses it by its status, and has noted that. Nothing of it has passed.
    Refused(Refusal),
}

impl From<RelayFault> for DownFault {
    fn from(fault: RelayFault) -> Self {
        match fault {
            RelayFault::Source(fault) => Self::Upstream(fault),
            RelayFault::SourceIo(error) => Self::UpstreamIo(error),
            RelayFault::Sink => Self::ClientGone,
        }
    }
}

/// Brings the response of one request to the client: interim ones, then the final one. Where the
/// gate judges the answer, nothing of a head passes before its verdict.
pub(super) async fn download<R, W, G>(
    from: &mut Incoming<R>,
    asked: &Asked<'_>,
    pass: &Pass,
    to: &mut W,
    gate: &mut G,
    passed: &Cell<u64>,
) -> Result<Downloaded, DownFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
    G: Gate,
{
    let mut interim = 0;
    let (head_bytes, response, pass) = loop {
        let (head_bytes, response) = next_head(from, asked).await?;
        if !response.is_interim() {
            note_status(pass, response.status, gate);
        }
        let pass = judged(pass, response.status, gate).await?;
        if !response.is_interim() {
            break (head_bytes, response, pass);
        }
        interim += 1;
        if interim > INTERIM_RESPONSES {
            return Err(DownFault::Upstream(Fault::TooManyInterim));
        }
        pass_interim(from, head_bytes, &response, asked, &pass, to, gate, passed).await?;
    };
    if response.status == 101 {
        return upgraded(from, head_bytes, &response, asked, &pass, to, passed).await;
    }
    let mut end_at_close = response.body == Body::UntilClose;
    match &pass.masker {
        None => relay(from, head_bytes, &mut Frames::of(response.body), to, passed).await?,
        Some(masker) => {
            let masked = (&pass, masker.as_ref());
            let end = download_masked(from, head_bytes, &response, asked, masked, to, gate, passed)
                .await?;
            end_at_close |= end == MaskedEnd::Close;
        }
    }
    if !from.bytes.is_empty() {
        return Err(DownFault::Upstream(Fault::UnaskedBytes));
    }
    Ok(if response.keep_alive && !end_at_close {
        Downloaded::KeptAlive
    } else {
        Downloaded::Closed
    })
}

fn note_status<G: Gate>(pass: &Pass, status: u16, gate: &mut G) {
    let answer = Answer {
        status: Some(status),
        ..Answer::default()
    };
    gate.answered(pass.operation, answer);
}

/// What is done to a response with this status.
async fn judged<G: Gate>(pass: &Pass, status: u16, gate: &mut G) -> Result<Pass, DownFault> {
    if !pass.judges_answer {
        return Ok(pass.clone());
    }
    let judged = gate.judge_answer(pass.operation, status).await;
    judged.map_err(DownFault::Refused)
}

/// Reads until a head is complete.
async fn next_head<R>(
    from: &mut Incoming<R>,
    asked: &Asked<'_>,
) -> Result<(usize, ResponseHead), DownFault>
where
    R: AsyncRead + AsyncWrite,
{
    let mut scan = HeadScan::default();
    loop {
        match scan.scan(&from.bytes).map_err(DownFault::Upstream)? {
            Scanned::Head(length) => {
                let head = from.bytes.get(..length).unwrap_or_default();
                let response =
                    ResponseHead::parse(head, asked.to_head).map_err(DownFault::Upstream)?;
                return Ok((length, response));
            }
            Scanned::EmptyLine => return Err(DownFault::Upstream(Fault::EmptyLines)),
            Scanned::NeedMore => {}
        }
        if from.fill().await.map_err(DownFault::UpstreamIo)? == 0 {
            return Err(match from.bytes.is_empty() {
                true => DownFault::Nothing,
                false => DownFault::Upstream(Fault::CutShort),
            });
        }
    }
}

/// Interim responses pass at once. HTTP/1.0 does not know them (RFC 9110 section 15.2).
#[expect(clippy::too_many_arguments, reason = "one call; each is another thing")]
async fn pass_interim<R, W, G>(
    from: &mut Incoming<R>,
    head_bytes: usize,
    response: &ResponseHead,
    asked: &Asked<'_>,
    pass: &Pass,
    to: &mut W,
    gate: &mut G,
    passed: &Cell<u64>,
) -> Result<(), DownFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
    G: Gate,
{
    if asked.version == Version::Http10 {
        from.used(head_bytes);
        return Ok(());
    }
    match &pass.masker {
        None => relay(from, head_bytes, &mut Frames::of(Body::None), to, passed).await?,
        Some(masker) => {
            let masked = (pass, masker.as_ref());
            download_masked(from, head_bytes, response, asked, masked, to, gate, passed).await?;
        }
    }
    Ok(())
}

/// A 101 passes only where it is the answer to what was asked (RFC 9110 section 15.2.2): the
/// stream is a tunnel from then on.
async fn upgraded<R, W>(
    from: &mut Incoming<R>,
    head_bytes: usize,
    response: &ResponseHead,
    asked: &Asked<'_>,
    pass: &Pass,
    to: &mut W,
    passed: &Cell<u64>,
) -> Result<Downloaded, DownFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
{
    if asked.upgrade.is_none() || asked.upgrade != response.upgrade.as_deref() {
        return Err(DownFault::Upstream(Fault::UnaskedUpgrade));
    }
    if pass.masker.is_some() {
        return Err(DownFault::Undecodable(DecodeFault::Tunnel));
    }
    relay(from, head_bytes, &mut Frames::of(Body::None), to, passed).await?;
    Ok(Downloaded::Upgraded)
}
