//! The path of a flow: accept, locate, attribute, admit, open, serve, close.
//!
//! Each stage is a type; a stage cannot be skipped, because the next is made of it. Every
//! flow has exactly one closing record: [`Ended`] carries the outcome of whatever stage it
//! came to, and a flow that is dropped on the way is closed as aborted by its log.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use sluice_flow::destination::HostFact;
use sluice_flow::gate::{Direction, no_body};
use sluice_flow::kernel::{JobTag, Origin, Transport};
use sluice_flow::operation::OpaqueStream;
use sluice_flow::session::Outcome;
use sluice_flow::{
    Cause, Destination, EventKind, Gate, Judgement, Lineage, Operation, Refusal, SessionOpened,
};
use sluice_policy::{Admission, Permit};
use sluice_protocols::detect::Detection;
use sluice_protocols::{http, postgres};
use tokio::net::TcpStream;

use crate::account::{Account, Log};
use crate::digests;
use crate::ended::{Ended, outcome, refused_unjudged};
use crate::gate::{Asker, FlowGate, refusal_of};
use crate::limits::DIAL_WAIT;
use crate::peek::first_bytes;
use crate::proxy::Proxy;
use crate::refuse::{refuse, reset};
use crate::relay::relay;
use crate::resolver;

/// The whole of a flow.
pub(crate) async fn flow(proxy: Arc<Proxy>, client: TcpStream, peer: SocketAddr) {
    // Boxed: a stream that is only relayed does not keep what it took to open it.
    match Box::pin(open(&proxy, client, peer)).await {
        Opened::Stream(stream) => stream.relay().await.close(),
        Opened::Over(ended) => ended.close(),
        Opened::Nothing => {}
    }
}

/// What became of a connection.
enum Opened {
    /// Bytes may go both ways; nothing more is judged.
    Stream(Stream),
    /// It was served to its end, or refused.
    Over(Ended),
    /// It is no flow, or cannot even be recorded.
    Nothing,
}

async fn open(proxy: &Arc<Proxy>, client: TcpStream, peer: SocketAddr) -> Opened {
    let Some(accepted) = Accepted::new(proxy, client, peer) else {
        return Opened::Nothing;
    };
    let located = match accepted.locate() {
        Locate::Flow(located) => located,
        Locate::Forged(ended) => return Opened::Over(ended),
        Locate::Probe(client, origin) => {
            proxy.answer_probe(client, &origin).await;
            return Opened::Nothing;
        }
    };
    let attributed = match located.attribute().await {
        Ok(attributed) => attributed,
        Err(ended) => return Opened::Over(ended),
    };
    if attributed.asks_names() {
        return Opened::Over(attributed.serve_names().await);
    }
    match attributed.admit() {
        Ok(admitted) => admitted.open_and_serve().await,
        Err(refused) => Opened::Over(refused.answer().await),
    }
}

/// A connection, and the record that it will have whatever becomes of it.
struct Accepted<'p> {
    proxy: &'p Arc<Proxy>,
    client: TcpStream,
    peer: SocketAddr,
    log: Log,
}

enum Locate<'p> {
    Flow(Located<'p>),
    Probe(TcpStream, Origin),
    Forged(Ended),
}

impl<'p> Accepted<'p> {
    fn new(proxy: &'p Arc<Proxy>, client: TcpStream, peer: SocketAddr) -> Option<Self> {
        match proxy.recorder.session() {
            Ok(log) => Some(Self {
                proxy,
                client,
                peer,
                log: Log::new(log),
            }),
            Err(error) => {
                tracing::error!(%error, "a connection was reset because it cannot be recorded");
                reset(&client);
                None
            }
        }
    }

    /// Original destination, job and process, as the kernel wrote them down.
    fn locate(self) -> Locate<'p> {
        match self.proxy.origins.take(self.peer, Transport::Tcp) {
            Some(origin) if origin.job == JobTag::PROBE => Locate::Probe(self.client, origin),
            Some(origin) => Locate::Flow(Located {
                accepted: self,
                origin,
            }),
            None => Locate::Forged(self.forged()),
        }
    }

    fn forged(self) -> Ended {
        let opened = SessionOpened {
            job: None,
            destination: None,
            peer: self.peer,
            lineage: Lineage::default(),
            keep: None,
        };
        let message = "the kernel did not redirect this connection here: somebody dialled the gate";
        let refusal = Refusal::of(Cause::NoOrigin, message);
        reset(&self.client);
        refused_unjudged(self.log, EventKind::Opened(Box::new(opened)), refusal)
    }
}

/// A flow whose origin is known.
struct Located<'p> {
    accepted: Accepted<'p>,
    origin: Origin,
}

impl<'p> Located<'p> {
    /// Which job, and which chain of processes.
    async fn attribute(self) -> Result<Attributed<'p>, Ended> {
        let Self { accepted, origin } = self;
        let mut destination = Destination::of(origin.destination);
        let Some(job) = accepted.proxy.jobs.find(origin.job) else {
            let opened = SessionOpened {
                job: None,
                destination: Some(destination),
                peer: accepted.peer,
                lineage: Lineage::default(),
                keep: None,
            };
            let message = "the job of this process has ended; what it left behind has no way out";
            let refusal = Refusal::of(Cause::NoLineage, message);
            reset(&accepted.client);
            let opened = EventKind::Opened(Box::new(opened));
            return Err(refused_unjudged(accepted.log, opened, refusal));
        };
        let lineage = digests::behind(accepted.proxy, &job, &origin).await;
        let host = HostFact::resolved(&accepted.proxy.names_of(&job, destination.ip));
        destination.host = host.proved().map(str::to_owned);
        let asker = Asker {
            job,
            lineage,
            destination,
            host,
        };
        let opened = asker.opened(accepted.peer);
        if let Err(error) = accepted.log.append(vec![opened]) {
            tracing::error!(%error, "a flow was reset because it cannot be recorded");
            reset(&accepted.client);
            return Err(Ended::bare(accepted.log, Outcome::Refused));
        }
        Ok(Attributed { accepted, asker })
    }
}

/// A flow of which is known who opened it.
struct Attributed<'p> {
    accepted: Accepted<'p>,
    asker: Asker,
}

impl<'p> Attributed<'p> {
    /// DNS over TCP. It needs no permit: the resolver asks servers of its own.
    fn asks_names(&self) -> bool {
        self.asker.destination.port == resolver::PORT
    }

    async fn serve_names(self) -> Ended {
        let Self { accepted, asker } = self;
        let Accepted {
            proxy, client, log, ..
        } = accepted;
        let policy = asker.flow_policy();
        let mut gate = FlowGate::new(asker, policy, Arc::clone(&proxy.desk), log);
        let served = resolver::serve_tcp(proxy, client, &mut gate).await;
        Ended::of(gate, outcome(served.is_ok()))
    }

    /// The connect-level verdict.
    fn admit(self) -> Result<Admitted<'p>, Box<RefusedFlow>> {
        let Self { accepted, asker } = self;
        let Accepted {
            proxy, client, log, ..
        } = accepted;
        let policy = asker.flow_policy();
        let admission = policy.1.admit();
        let mut gate = FlowGate::new(asker, policy, Arc::clone(&proxy.desk), log);
        match admission {
            Admission::Permit(permit) => Ok(Admitted {
                proxy,
                client,
                gate,
                permit,
            }),
            Admission::Refuse(verdict) => {
                let refusal = refusal_of(&verdict);
                gate.refused_by(&refusal, verdict.expected);
                Err(Box::new(RefusedFlow {
                    client,
                    gate,
                    refusal,
                }))
            }
        }
    }
}

/// A flow that may be dialled: it has a [`Permit`].
struct Admitted<'p> {
    proxy: &'p Arc<Proxy>,
    client: TcpStream,
    gate: FlowGate,
    permit: Permit,
}

impl Admitted<'_> {
    /// Looks at the first bytes, and serves the protocol that they are of.
    async fn open_and_serve(self) -> Opened {
        let port = self.permit.destination().port();
        match first_bytes(&self.client, port).await {
            Detection::Http => Opened::Over(self.serve_http().await),
            Detection::Postgres => Opened::Over(self.serve_postgres().await),
            other => match self.open_opaque(other.looks_like()).await {
                Ok(stream) => Opened::Stream(stream),
                Err(ended) => Opened::Over(ended),
            },
        }
    }

    async fn serve_http(self) -> Ended {
        let Self {
            mut client,
            mut gate,
            permit,
            ..
        } = self;
        let dial = async || dial(&permit).await;
        let outcome = http::serve(&mut client, BytesMut::new(), dial, &mut gate).await;
        if outcome != Outcome::Closed {
            reset(&client);
        }
        Ended::of(gate, outcome)
    }

    async fn serve_postgres(self) -> Ended {
        let Self {
            proxy,
            client,
            mut gate,
            permit,
        } = self;
        match dial(&permit).await {
            Ok(upstream) => {
                let facts = postgres::Facts {
                    cache: &proxy.parsed,
                    cancels: &proxy.cancels,
                    columns_masked: gate.masks_columns(),
                };
                let served = postgres::serve(client, upstream, &mut gate, &[], facts).await;
                Ended::of(gate, outcome(served.is_ok()))
            }
            Err(error) => {
                let refusal = unreachable(&permit, &error);
                gate.refused(&refusal);
                RefusedFlow {
                    client,
                    gate,
                    refusal,
                }
                .answer()
                .await
            }
        }
    }

    async fn open_opaque(self, looks_like: &str) -> Result<Stream, Ended> {
        let Self {
            client,
            mut gate,
            permit,
            ..
        } = self;
        let operation = Operation::Opaque(OpaqueStream {
            looks_like: looks_like.to_owned(),
        });
        let judged = match gate.judge(operation).await {
            Judgement::Forward(_) => Ok(()),
            Judgement::Refuse(refusal) => Err(refusal),
            Judgement::ReadBody(_) => Err(no_body()),
            Judgement::Hold(hold) => hold.answer.await.map(drop),
        };
        if judged.is_err() {
            reset(&client);
            return Err(Ended::of(gate, Outcome::Refused));
        }
        let upstream = match dial(&permit).await {
            Ok(upstream) => upstream,
            Err(error) => {
                gate.refused(&unreachable(&permit, &error));
                reset(&client);
                return Err(Ended::of(gate, Outcome::Failed));
            }
        };
        Ok(Stream {
            client,
            upstream,
            account: gate.into_account(),
        })
    }
}

/// A stream that is not understood, and may pass.
struct Stream {
    client: TcpStream,
    upstream: TcpStream,
    account: Account,
}

impl Stream {
    async fn relay(self) -> Ended {
        let Self {
            mut client,
            mut upstream,
            mut account,
        } = self;
        let passed = RefCell::new((0, 0));
        let served = relay(&mut client, &mut upstream, &passed).await;
        let (up, down) = passed.into_inner();
        account.passed(Direction::Up, up);
        account.passed(Direction::Down, down);
        Ended::settled(account, outcome(served.is_ok()))
    }
}

/// A flow that is refused before a server was dialled.
struct RefusedFlow {
    client: TcpStream,
    gate: FlowGate,
    refusal: Refusal,
}

impl RefusedFlow {
    /// Answers at once, in the words of the protocol that the client speaks.
    async fn answer(self) -> Ended {
        let Self {
            mut client,
            gate,
            refusal,
        } = self;
        let port = gate.asker.destination.port;
        let detected = first_bytes(&client, port).await;
        refuse(&mut client, detected, &refusal).await;
        Ended::of(gate, Outcome::Refused)
    }
}

/// Dials what the permit permits: without one there is no way to a server.
async fn dial(permit: &Permit) -> std::io::Result<TcpStream> {
    let connect = TcpStream::connect(permit.destination());
    let upstream = tokio::time::timeout(DIAL_WAIT, connect)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
    crate::listen::tune(&upstream);
    Ok(upstream)
}

fn unreachable(permit: &Permit, error: &std::io::Error) -> Refusal {
    let message = format!("{} cannot be reached: {error}", permit.destination());
    Refusal::of(Cause::UpstreamUnreachable, message)
}
