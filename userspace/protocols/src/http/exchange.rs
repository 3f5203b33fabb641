//! One exchange: a request that may pass goes up, its response comes down, both at the same time.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use sluice_flow::gate::{Direction, Gate};
use sluice_flow::session::Outcome;
use sluice_flow::{Cause, Pass, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};

use super::download::{Asked as Question, DownFault, Downloaded, download};
use super::error::Fault;
use super::leg::{Incoming, Leg};
use super::limits::{HALF_CLOSED, HELD_BYTES};
use super::refusal;
use super::relay::RelayFault;
use super::request::Upgrade;
use super::serve::{Asked, Connection, Dial, Step};
use super::tunnel::tunnel;
use super::upload::upload;

/// How the two directions of an exchange ended.
struct Ended {
    /// Whether all of the request went up.
    sent: bool,
    /// Why the client, or the way up, failed.
    up: Option<RelayFault>,
    /// `None`: the request could not be read to its end.
    down: Option<Result<Downloaded, DownFault>>,
    /// Whether something reached the client.
    begun: bool,
}

impl<C, D, G> Connection<'_, C, D, G>
where
    C: AsyncRead + AsyncWrite + Unpin,
    D: Dial,
    G: Gate,
{
    /// Forwards a request that has its verdict, and its response.
    pub(super) async fn exchange(&mut self, asked: Asked, pass: Pass) -> Step<()> {
        let mut server = match self.connected().await {
            Ok(server) => server,
            Err(error) => {
                let why = format!("the server could not be reached: {error}");
                return Err(self
                    .fail(&asked, false, Cause::UpstreamUnreachable, why)
                    .await);
            }
        };
        let reused = std::mem::replace(&mut self.reused, true);
        let ended = self.both_ways(&mut server, &asked, &pass).await;
        let may_go_on = asked.head.keep_alive && ended.sent;
        match ended {
            Ended {
                up: Some(RelayFault::Source(fault)),
                begun,
                down: None,
                ..
            } => {
                if begun || fault == Fault::CutShort {
                    self.gate.refused(&refusal::of_client(fault));
                    return Err(Outcome::Refused);
                }
                Err(self.reject(fault).await)
            }
            Ended { down: None, .. } => Err(Outcome::Failed),
            Ended {
                down: Some(Ok(Downloaded::Upgraded)),
                ..
            } => self.through_tunnel(&mut server).await,
            Ended {
                down: Some(Ok(Downloaded::KeptAlive)),
                ..
            } if may_go_on => {
                server.incoming.release();
                self.server = Some(server);
                Ok(())
            }
            // Where the response came before the request's end, nobody knows whether the server
            // takes what follows for the rest of it or for a request of its own.
            Ended {
                down: Some(Ok(Downloaded::KeptAlive | Downloaded::Closed)),
                ..
            } => {
                self.linger().await;
                Err(Outcome::Closed)
            }
            Ended {
                down: Some(Err(fault)),
                begun,
                ..
            } => Err(self.broken(&asked, reused, begun, fault).await),
        }
    }

    /// The server's connection, unless it was closed (or spoke unasked) while it was idle; then
    /// a new one. Nothing of the request was sent yet.
    async fn connected(&mut self) -> std::io::Result<Leg<D::Stream>> {
        if let Some(mut server) = self.server.take() {
            let quiet = poll_fn(|cx| Poll::Ready(server.incoming.poll_fill(cx).is_pending())).await;
            if quiet && server.incoming.bytes.is_empty() {
                return Ok(server);
            }
        }
        self.reused = false;
        Ok(Leg::new(self.dial.dial().await?, BytesMut::new()))
    }

    /// Moves both directions until the response is complete or something is wrong. What passed
    /// is counted whatever happens.
    async fn both_ways(
        &mut self,
        server: &mut Leg<D::Stream>,
        asked: &Asked,
        pass: &Pass,
    ) -> Ended {
        let (up_bytes, down_bytes, sent) = (Cell::new(0), Cell::new(0), Cell::new(false));
        let masked = pass.masker.is_some();
        let question = Question {
            version: asked.head.version,
            to_head: asked.head.is_head,
            upgrade: match &asked.head.upgrade {
                Upgrade::To(protocol) => Some(protocol),
                Upgrade::No | Upgrade::TakenOff => None,
            },
        };
        let mut ended = Ended {
            sent: false,
            up: None,
            down: None,
            begun: false,
        };
        {
            let (from, to) = (&mut self.client.incoming, &mut server.out);
            let mut up = pin!(async {
                upload(from, asked.head_bytes, &asked.head, masked, to, &up_bytes).await?;
                sent.set(true);
                Err::<Infallible, _>(until_gone(from, &down_bytes).await)
            });
            let (from, to) = (&mut server.incoming, &mut self.client.out);
            let mut down = pin!(download(from, &question, pass, to, self.gate, &down_bytes));
            poll_fn(|cx| {
                if ended.up.is_none()
                    && let Poll::Ready(Err(fault)) = up.as_mut().poll(cx)
                {
                    let server_failed = matches!(fault, RelayFault::Sink);
                    ended.up = Some(fault);
                    // A server that takes no more may have answered already.
                    if !server_failed {
                        return Poll::Ready(());
                    }
                }
                down.as_mut()
                    .poll(cx)
                    .map(|result| ended.down = Some(result))
            })
            .await;
        }
        ended.sent = sent.get();
        ended.begun = down_bytes.get() > 0;
        self.gate.passed(Direction::Up, up_bytes.get());
        self.gate.passed(Direction::Down, down_bytes.get());
        ended
    }

    async fn through_tunnel(&mut self, server: &mut Leg<D::Stream>) -> Step<()> {
        Err(match tunnel(&mut self.client, server, self.gate).await {
            Ok(()) => Outcome::Closed,
            Err(_) => Outcome::Failed,
        })
    }

    /// What a broken response means for the client.
    async fn broken(
        &mut self,
        asked: &Asked,
        reused: bool,
        begun: bool,
        fault: DownFault,
    ) -> Outcome {
        match fault {
            // The server closed an idle connection just when the request came. Without the gate
            // the client would see that close, and send the request again.
            DownFault::Nothing if reused && !begun => Outcome::Closed,
            DownFault::Nothing => {
                let why = "the server closed the connection without an answer".to_owned();
                self.fail(asked, begun, Cause::UpstreamBroken, why).await
            }
            // The response itself was complete: it must reach the client.
            DownFault::Upstream(Fault::UnaskedBytes) => {
                self.gate
                    .refused(&refusal::of_upstream(Fault::UnaskedBytes));
                self.linger().await;
                Outcome::Failed
            }
            DownFault::Upstream(fault) => {
                let why = refusal::of_upstream(fault).message;
                self.fail(asked, begun, Cause::UpstreamBroken, why).await
            }
            DownFault::UpstreamIo(error) => {
                let why = format!("the server broke off: {error}");
                self.fail(asked, begun, Cause::UpstreamBroken, why).await
            }
            DownFault::Undecodable(fault) => {
                let why = format!("the answer's body must be masked, but {fault}");
                self.fail(asked, begun, Cause::Undecodable, why).await
            }
            // Whatever came before it were whole interim responses: the client waits for a final one.
            DownFault::Refused(refusal) => {
                let status = refusal.cause.response().http;
                self.answer_and_end(status, &refusal, asked.head.is_head)
                    .await;
                Outcome::Refused
            }
            DownFault::ClientGone => Outcome::Failed,
        }
    }

    /// Notes what went wrong at the server, and tells the client where it still can be told.
    async fn fail(&mut self, asked: &Asked, begun: bool, cause: Cause, why: String) -> Outcome {
        let refusal = Refusal::of(cause, why);
        self.gate.refused(&refusal);
        if !begun {
            self.answer_and_end(cause.response().http, &refusal, asked.head.is_head)
                .await;
        }
        if cause.response().refusal {
            Outcome::Refused
        } else {
            Outcome::Failed
        }
    }
}

/// Listens to a client that waits for its answer, and ends when it is gone: when its connection
/// breaks, or when it ended its side and nothing came down for it for [`HALF_CLOSED`]. What it
/// sends ahead is kept; one that sends over [`HELD_BYTES`] ahead is not listened to any more.
async fn until_gone<C>(from: &mut Incoming<C>, down_bytes: &Cell<u64>) -> RelayFault
where
    C: AsyncRead + AsyncWrite,
{
    while from.bytes.len() < HELD_BYTES {
        match from.fill().await {
            Ok(1..) => {}
            Ok(0) => return until_silent(down_bytes).await,
            Err(error) => return RelayFault::SourceIo(error),
        }
    }
    std::future::pending().await
}

async fn until_silent(down_bytes: &Cell<u64>) -> RelayFault {
    loop {
        let before = down_bytes.get();
        tokio::time::sleep(HALF_CLOSED).await;
        if down_bytes.get() == before {
            return RelayFault::SourceIo(std::io::ErrorKind::TimedOut.into());
        }
    }
}
