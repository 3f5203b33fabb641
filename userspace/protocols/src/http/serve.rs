//! The loop of a connection: a request, its verdict, its exchange; then the next.

use std::future::Future;
use std::io;

use bytes::BytesMut;
use sluice_flow::gate::{Gate, Hold, Judgement, no_body};
use sluice_flow::operation::OpaqueStream;
use sluice_flow::session::Outcome;
use sluice_flow::{Cause, HttpRequest, Operation, Pass, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Fault;
use super::fields::Body;
use super::frames::Frames;
use super::leg::Leg;
use super::limits::{HEAD_TIME, HELD_BYTES, IDLE, LINGER, LINGER_BYTES, SKIPPED_BODY};
use super::refusal;
use super::request::{RequestHead, Upgrade};
use super::scan::{HeadScan, Scanned};

/// The way to the server of a flow. It is dialled when the first request may pass, and again
/// when the server has closed an idle connection before a later one.
pub trait Dial {
    /// A connection to the server.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Opens a connection, or hands out the one that is open already.
    fn dial(&mut self) -> impl Future<Output = io::Result<Self::Stream>>;
}

impl<F, S> Dial for F
where
    F: AsyncFnMut() -> io::Result<S>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    type Stream = S;

    async fn dial(&mut self) -> io::Result<S> {
        self().await
    }
}

/// Serves HTTP/1.1 on a connection until it ends. `prefix` are bytes of the client that were read
/// before it was known to speak HTTP.
///
/// Nothing of a request goes to the server before its verdict, and no request before the former
/// is answered in full; what a client sends ahead waits. It needs tokio's time
/// driver. On any outcome but [`Outcome::Closed`] the caller should reset the client's
/// connection rather than close it, so that a body that ends with the connection cannot be
/// taken for complete.
pub async fn serve<C, D, G>(client: C, prefix: BytesMut, dial: D, gate: &mut G) -> Outcome
where
    C: AsyncRead + AsyncWrite + Unpin,
    D: Dial,
    G: Gate,
{
    let client = Leg::new(client, prefix);
    let mut connection = Connection {
        client,
        server: None,
        reused: false,
        dial,
        gate,
    };
    loop {
        if let Err(outcome) = connection.one_request().await {
            return outcome;
        }
    }
}

/// A request whose bytes still stand at the start of the client's.
pub(super) struct Asked {
    pub(super) head_bytes: usize,
    pub(super) head: RequestHead,
}

pub(super) struct Connection<'g, C, D: Dial, G> {
    pub(super) client: Leg<C>,
    pub(super) server: Option<Leg<D::Stream>>,
    /// Whether the server's connection has answered a request before.
    pub(super) reused: bool,
    pub(super) dial: D,
    pub(super) gate: &'g mut G,
}

/// Goes on, or how the connection ended.
pub(super) type Step<T> = Result<T, Outcome>;

impl<C, D, G> Connection<'_, C, D, G>
where
    C: AsyncRead + AsyncWrite + Unpin,
    D: Dial,
    G: Gate,
{
    async fn one_request(&mut self) -> Step<()> {
        let (request, asked) = self.next_request().await?;
        match self.verdict(request, &asked).await? {
            Ok(pass) => self.exchange(asked, pass).await,
            Err(refusal) => self.refuse(&asked, &refusal).await,
        }
    }

    /// Reads until the head of a request is complete.
    async fn next_request(&mut self) -> Step<(HttpRequest, Asked)> {
        let mut scan = HeadScan::default();
        let mut empty_lines = 0;
        let mut until = None;
        self.client.incoming.release();
        loop {
            match scan.scan(&self.client.incoming.bytes) {
                Ok(Scanned::Head(head_bytes)) => return self.read_head(head_bytes).await,
                Ok(Scanned::EmptyLine) if empty_lines == 0 => {
                    empty_lines += 1;
                    self.client.incoming.used(2);
                    scan = HeadScan::default();
                    continue;
                }
                Ok(Scanned::EmptyLine) => return Err(self.reject(Fault::EmptyLines).await),
                Ok(Scanned::NeedMore) => {}
                Err(fault) => return Err(self.reject(fault).await),
            }
            if self.client.incoming.bytes.is_empty() {
                self.first_bytes().await?;
            } else {
                let until = *until.get_or_insert_with(|| Instant::now() + HEAD_TIME);
                self.more_of_the_head(until).await?;
            }
        }
    }

    async fn read_head(&mut self, head_bytes: usize) -> Step<(HttpRequest, Asked)> {
        let head = self
            .client
            .incoming
            .bytes
            .get(..head_bytes)
            .unwrap_or_default();
        match RequestHead::parse(head) {
            Ok((request, head)) => Ok((request, Asked { head_bytes, head })),
            Err(fault) => Err(self.reject(fault).await),
        }
    }

    /// Between two requests a client may go, or be silent, without a word.
    async fn first_bytes(&mut self) -> Step<()> {
        match timeout(IDLE, self.client.incoming.fill()).await {
            Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0)) | Err(_) => {
                let _ = self.client.out.shutdown().await;
                Err(Outcome::Closed)
            }
            Ok(Err(_)) => Err(Outcome::Failed),
        }
    }

    async fn more_of_the_head(&mut self, until: Instant) -> Step<()> {
        match timeout_at(until, self.client.incoming.fill()).await {
            Ok(Ok(1..)) => Ok(()),
            Ok(Ok(0)) => Err(self.reject(Fault::CutShort).await),
            Ok(Err(_)) => Err(Outcome::Failed),
            Err(_) => Err(self.reject(Fault::TooSlow).await),
        }
    }

    /// Asks the gate; a wish for another protocol has two verdicts, and both come before the
    /// request leaves. The inner error is a refusal that the gate has noted, or that is here.
    async fn verdict(
        &mut self,
        request: HttpRequest,
        asked: &Asked,
    ) -> Step<Result<Pass, Refusal>> {
        let pass = match self.judged(Operation::Http(request), asked).await? {
            Ok(pass) => pass,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Upgrade::To(protocol) = &asked.head.upgrade else {
            return Ok(Ok(pass));
        };
        let looks_like = match protocol.as_str() {
            "websocket" => "websocket".to_owned(),
            other => format!("upgrade:{other}"),
        };
        let tunnel = match self
            .judged(Operation::Opaque(OpaqueStream { looks_like }), asked)
            .await?
        {
            Ok(tunnel) => tunnel,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if pass.masker.is_none() && tunnel.masker.is_none() {
            return Ok(Ok(pass));
        }
        let why =
            format!("what follows an upgrade to {protocol} cannot be masked, as a rule here asks");
        let refusal = Refusal::of(Cause::Undecodable, why);
        self.gate.refused(&refusal);
        Ok(Err(refusal))
    }

    async fn judged(&mut self, operation: Operation, asked: &Asked) -> Step<Result<Pass, Refusal>> {
        let (judgement, body) = match self.gate.judge(operation).await {
            Judgement::ReadBody(mut request) => {
                let (body, bytes) = self.read_body(asked).await?;
                request.body = body;
                (self.gate.judge(Operation::Http(*request)).await, bytes)
            }
            judged => (judged, 0),
        };
        match judgement {
            Judgement::Forward(pass) => Ok(Ok(pass)),
            Judgement::Refuse(refusal) => Ok(Err(refusal)),
            Judgement::Hold(hold) => self.held(hold, asked.head_bytes + body).await,
            // It was read, and it stays so.
            Judgement::ReadBody(_) => Ok(Err(no_body())),
        }
    }

    /// Waits for people. The client's next bytes wait too; a client that goes (or closes its side
    /// of the connection) withdraws the request. One that has sent over [`HELD_BYTES`] behind it
    /// is not listened to any more, so its going is seen only after the answer.
    async fn held(&mut self, hold: Hold, request: usize) -> Step<Result<Pass, Refusal>> {
        let mut answer = hold.answer;
        loop {
            let room = self.client.incoming.bytes.len() < request + HELD_BYTES;
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                filled = self.client.incoming.fill(), if room => match filled {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Err(Outcome::Failed),
                },
            }
        }
    }

    /// Answers a request that does not pass; the connection goes on where its body can be skipped.
    pub(super) async fn refuse(&mut self, asked: &Asked, refusal: &Refusal) -> Step<()> {
        let response = refusal.cause.response();
        let goes_on = !response.closes && asked.head.keep_alive && skippable(&asked.head);
        let answer = refusal::answer(response.http, refusal, asked.head.is_head, !goes_on);
        let sent = self.client.out.write_all(&answer).await;
        if sent.is_err() || self.client.out.flush().await.is_err() {
            return Err(Outcome::Failed);
        }
        if !goes_on {
            self.linger().await;
            return Err(Outcome::Refused);
        }
        self.client.incoming.used(asked.head_bytes);
        self.skip_body(asked.head.body).await
    }

    async fn skip_body(&mut self, body: Body) -> Step<()> {
        let mut frames = Frames::of(body);
        let until = Instant::now() + HEAD_TIME;
        loop {
            let read = frames
                .measure(&self.client.incoming.bytes)
                .map_err(|_| Outcome::Refused)?;
            self.client.incoming.used(read);
            if frames.is_done() {
                return Ok(());
            }
            match timeout_at(until, self.client.incoming.fill()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return Err(Outcome::Refused),
            }
        }
    }

    /// Answers bytes that are no request, and ends the connection.
    pub(super) async fn reject(&mut self, fault: Fault) -> Outcome {
        let refusal = refusal::of_client(fault);
        self.gate.refused(&refusal);
        self.answer_and_end(fault.status(), &refusal, false).await;
        Outcome::Refused
    }

    /// The last answer of a connection.
    pub(super) async fn answer_and_end(&mut self, status: u16, refusal: &Refusal, to_head: bool) {
        let answer = refusal::answer(status, refusal, to_head, true);
        if self.client.out.write_all(&answer).await.is_ok() {
            self.linger().await;
        }
    }

    /// Ends our side, and reads on for a moment (RFC 9112 section 9.6).
    pub(super) async fn linger(&mut self) {
        let drained = async {
            self.client.out.shutdown().await?;
            let mut read = 0;
            while read < LINGER_BYTES {
                self.client.incoming.bytes.clear();
                match self.client.incoming.fill().await? {
                    0 => break,
                    more => read += more,
                }
            }
            io::Result::Ok(())
        };
        // A client that is gone already needs no answer.
        let _ = timeout(LINGER, drained).await;
    }
}

/// A body that is certainly sent, and small. With `Expect` it may or may not be sent.
fn skippable(head: &RequestHead) -> bool {
    match head.body {
        Body::None => true,
        Body::Length(length) => !head.expects_continue && length <= SKIPPED_BODY,
        Body::Chunked | Body::UntilClose => false,
    }
}
