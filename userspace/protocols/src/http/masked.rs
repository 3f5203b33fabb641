//! A response on a masked route: its body is decoded, masked, and framed anew.

use std::cell::Cell;

use sluice_flow::Pass;
use sluice_flow::gate::{Direction, Gate};
use sluice_masking::{Format, Hits, Masker, StreamMasker};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::decode::{DecodeFault, Decoder};
use super::download::{Asked, DownFault};
use super::edit::{self, MaskedEnd};
use super::fields::{Body, Version};
use super::frames::Frames;
use super::leg::Incoming;
use super::limits::READ_BYTES;
use super::response::{Coding, ResponseHead};

/// What a masked response goes through, and what is ready for the client.
struct Masking {
    decoder: Decoder,
    masker: StreamMasker,
    /// What ends a message that a client waits for while the body goes on.
    message_end: Option<&'static [u8]>,
    end: MaskedEnd,
    /// The last decoded bytes.
    tail: Vec<u8>,
    masked: Vec<u8>,
    ready: Vec<u8>,
}

/// Sends a response masked. Its head leaves with the first masked bytes, so that a body that
/// cannot be decoded from the start still gets a refusal.
#[expect(clippy::too_many_arguments, reason = "one call; each is another thing")]
pub(super) async fn download_masked<R, W, G>(
    from: &mut Incoming<R>,
    head_bytes: usize,
    response: &ResponseHead,
    asked: &Asked<'_>,
    (pass, masker): (&Pass, &Masker),
    to: &mut W,
    gate: &mut G,
    passed: &Cell<u64>,
) -> Result<MaskedEnd, DownFault>
where
    R: AsyncRead + AsyncWrite,
    W: AsyncWrite + Unpin,
    G: Gate,
{
    let end = masked_end(response, asked.version);
    let mut hits = Hits::default();
    let head = from.bytes.get(..head_bytes).unwrap_or_default();
    let head = edit::masked_response(head, end, |line| masker.mask_bytes(line, &mut hits));
    from.used(head_bytes);
    let mut masking = Masking::new(response, masker, end, head)?;
    let result = masking
        .run(from, response.body, pass, to, gate, passed)
        .await;
    hits.merge(masking.masker.hits());
    if !hits.is_empty() {
        gate.masked(pass.operation, &hits);
    }
    result.map(|()| end)
}

fn masked_end(response: &ResponseHead, client: Version) -> MaskedEnd {
    match response.body {
        Body::None => MaskedEnd::NoBody,
        _ if response.version == Version::Http11 && client == Version::Http11 => MaskedEnd::Chunked,
        Body::Length(_) | Body::Chunked | Body::UntilClose => MaskedEnd::Close,
    }
}

async fn send<W: AsyncWrite + Unpin>(
    ready: &mut Vec<u8>,
    to: &mut W,
    passed: &Cell<u64>,
) -> Result<(), DownFault> {
    to.write_all(ready)
        .await
        .map_err(|_| DownFault::ClientGone)?;
    to.flush().await.map_err(|_| DownFault::ClientGone)?;
    passed.set(passed.get() + ready.len() as u64);
    ready.clear();
    Ok(())
}

impl Masking {
    fn new(
        response: &ResponseHead,
        masker: &Masker,
        end: MaskedEnd,
        head: Vec<u8>,
    ) -> Result<Self, DownFault> {
        if response.partial && end != MaskedEnd::NoBody {
            return Err(DownFault::Undecodable(DecodeFault::Partial));
        }
        let coding = match end {
            MaskedEnd::NoBody => Coding::Identity,
            MaskedEnd::Chunked | MaskedEnd::Close => response.coding,
        };
        Ok(Self {
            decoder: Decoder::new(coding).map_err(DownFault::Undecodable)?,
            masker: masker.stream(format_of(response.media_type.as_deref())),
            message_end: message_end(response.media_type.as_deref()),
            end,
            tail: Vec::new(),
            masked: Vec::new(),
            ready: head,
        })
    }

    /// Moves the body until its end.
    async fn run<R, W, G>(
        &mut self,
        from: &mut Incoming<R>,
        body: Body,
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
        let mut frames = Frames::of(body);
        loop {
            let read = self.take(&mut frames, &from.bytes)?;
            from.used(read);
            let finished = frames.is_done();
            if finished {
                self.finish()?;
            } else {
                self.end_message();
            }
            if pass.record_payload && !self.masked.is_empty() {
                gate.payload(pass.operation, Direction::Down, &self.masked);
            }
            self.frame();
            if finished && self.end == MaskedEnd::Chunked {
                self.ready.extend_from_slice(b"0\r\n\r\n");
            }
            send(&mut self.ready, to, passed).await?;
            if finished {
                return Ok(());
            }
            let some = 4 * READ_BYTES as u64;
            if from.fill_bulk(some).await.map_err(DownFault::UpstreamIo)? == 0 {
                frames.end_of_stream().map_err(DownFault::Upstream)?;
                frames = Frames::of(Body::None);
            }
        }
    }

    /// Decodes and masks what of `bytes` belongs to the body.
    fn take(&mut self, frames: &mut Frames, bytes: &[u8]) -> Result<usize, DownFault> {
        let mut read = 0;
        while let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty()) {
            if frames.is_done() {
                break;
            }
            let step = frames.step(rest).map_err(DownFault::Upstream)?;
            let data = rest
                .get(step.framing..step.framing + step.data)
                .unwrap_or_default();
            let (masker, masked) = (&mut self.masker, &mut self.masked);
            let tail = &mut self.tail;
            self.decoder
                .push(data, &mut |decoded| {
                    keep_tail(tail, decoded);
                    masker.push(decoded, masked);
                })
                .map_err(DownFault::Undecodable)?;
            read += step.framing + step.data;
        }
        Ok(read)
    }

    /// Lets a whole message go where the server has sent no more than that: the masker holds the
    /// end of what it got back, and the next message may be hours away.
    fn end_message(&mut self) {
        if self.message_end.is_some_and(|end| self.tail.ends_with(end)) {
            self.masker.finish(&mut self.masked);
            self.tail.clear();
        }
    }

    fn finish(&mut self) -> Result<(), DownFault> {
        let (masker, masked) = (&mut self.masker, &mut self.masked);
        self.decoder
            .finish(&mut |decoded| masker.push(decoded, masked))
            .map_err(DownFault::Undecodable)?;
        masker.finish(masked);
        Ok(())
    }

    /// Frames what was masked for the client.
    fn frame(&mut self) {
        match (self.end, self.masked.len()) {
            (MaskedEnd::NoBody, _) | (_, 0) => {}
            (MaskedEnd::Chunked, length) => {
                self.ready
                    .extend_from_slice(format!("{length:x}\r\n").as_bytes());
                self.ready.extend_from_slice(&self.masked);
                self.ready.extend_from_slice(b"\r\n");
            }
            (MaskedEnd::Close, _) => self.ready.extend_from_slice(&self.masked),
        }
        self.masked.clear();
    }
}

/// Which keys a rule names are looked for only where the body says that it is JSON.
fn format_of(media_type: Option<&str>) -> Format {
    let json = |media: &str| {
        media.ends_with("/json") || media.ends_with("+json") || media.ends_with("-json")
    };
    match media_type {
        Some(media) if json(media) => Format::Json,
        Some(_) | None => Format::Text,
    }
}

/// Event streams (HTML, server-sent events) and JSON lines.
fn message_end(media_type: Option<&str>) -> Option<&'static [u8]> {
    match media_type? {
        "text/event-stream" => Some(b"\n\n"),
        "application/x-ndjson" | "application/jsonl" | "application/json-seq" => Some(b"\n"),
        _ => None,
    }
}

fn keep_tail(tail: &mut Vec<u8>, decoded: &[u8]) {
    tail.extend_from_slice(
        decoded
            .get(decoded.len().saturating_sub(2)..)
            .unwrap_or_default(),
    );
    let over = tail.len().saturating_sub(2);
    tail.drain(..over);
}
