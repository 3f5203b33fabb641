//! The path of a flow: accept, locate, attribute, admit, open, serve, close.
//!
//! Each stage is a type; a stage cannot be skipped, because the next is made of it. Every
//! flow has exactly one closing record: [`Ended`] carries the outcome of whatever stage it
//! came to, and a flow that is dropped on the way is closed as aborted by its log.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

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
use sluice_protocols::detect::{Detection, detect};
use sluice_protocols::{http, postgres};
use tokio::net::TcpStream;

use crate::gate::{Asker, FlowGate, Log, refusal_of};
use crate::limits::{DIAL_WAIT, FIRST_BYTES_WAIT, MAX_PEEK};
use crate::proxy::Proxy;
use crate::refuse::{refuse, reset};
use crate::relay::relay;
use crate::resolver;

/// The whole of a flow.
pub(crate) async fn flow(proxy: Arc<Proxy>, client: TcpStream, peer: SocketAddr) {
    let Some(accepted) = Accepted::new(&proxy, client, peer) else {
        return;
    };
    let ended = match accepted.locate() {
        Locate::Flow(located) => match located.attribute() {
            Ok(attributed) if attributed.asks_names() => attributed.serve_names().await,
            Ok(attributed) => match attributed.admit() {
                Ok(admitted) => admitted.open_and_serve().await,
                Err(refused) => refused.answer().await,
            },
            Err(ended) => ended,
        },
        Locate::Probe(client, origin) => return proxy.answer_probe(client, &origin).await,
        Locate::Forged(ended) => ended,
    };
    ended.close();
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
    fn attribute(self) -> Result<Attributed<'p>, Ended> {
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
        let lineage = accepted.proxy.lineages.behind(&origin);
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
        let outcome = resolver::serve_tcp(proxy, client, &mut gate).await;
        ended(gate, outcome.is_ok())
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
    async fn open_and_serve(self) -> Ended {
        let port = self.permit.destination().port();
        match first_bytes(&self.client, port).await {
            Detection::Http => self.serve_http().await,
            Detection::Postgres => self.serve_postgres().await,
            other => self.serve_opaque(other.looks_like()).await,
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
                let outcome = postgres::serve(client, upstream, &mut gate, &[], facts).await;
                ended(gate, outcome.is_ok())
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

    async fn serve_opaque(self, looks_like: &str) -> Ended {
        let Self {
            mut client,
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
            return Ended::of(gate, Outcome::Refused);
        }
        let mut upstream = match dial(&permit).await {
            Ok(upstream) => upstream,
            Err(error) => {
                gate.refused(&unreachable(&permit, &error));
                reset(&client);
                return Ended::of(gate, Outcome::Failed);
            }
        };
        let passed = RefCell::new((0, 0));
        let outcome = relay(&mut client, &mut upstream, &passed).await;
        let (up, down) = passed.into_inner();
        gate.passed(Direction::Up, up);
        gate.passed(Direction::Down, down);
        ended(gate, outcome.is_ok())
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

/// A flow at its end.
struct Ended {
    by: Recorded,
    outcome: Outcome,
}

enum Recorded {
    Gate(Box<FlowGate>),
    Log(Log),
}

impl Ended {
    fn of(gate: FlowGate, outcome: Outcome) -> Self {
        Self {
            by: Recorded::Gate(Box::new(gate)),
            outcome,
        }
    }

    fn bare(log: Log, outcome: Outcome) -> Self {
        Self {
            by: Recorded::Log(log),
            outcome,
        }
    }

    fn close(self) {
        match self.by {
            Recorded::Gate(gate) => gate.close(self.outcome),
            Recorded::Log(log) => {
                let closed = EventKind::Closed {
                    outcome: self.outcome,
                    bytes_up: 0,
                    bytes_down: 0,
                };
                if let Err(error) = log.append(vec![closed]) {
                    tracing::error!(%error, "a closing record is missing");
                }
            }
        }
    }
}

fn ended(gate: FlowGate, well: bool) -> Ended {
    Ended::of(
        gate,
        if well {
            Outcome::Closed
        } else {
            Outcome::Failed
        },
    )
}

fn refused_unjudged(log: Log, opened: EventKind, refusal: Refusal) -> Ended {
    let refused = EventKind::Refused {
        refusal,
        kernel: None,
        expected: false,
    };
    if let Err(error) = log.append(vec![opened, refused]) {
        tracing::error!(%error, "a refused connection is not in the record");
    }
    Ended::bare(log, Outcome::Refused)
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

/// What the first bytes look like. They stay in the socket.
async fn first_bytes(client: &TcpStream, port: u16) -> Detection {
    let deadline = Instant::now() + FIRST_BYTES_WAIT;
    let mut buffer = [0; MAX_PEEK];
    let mut seen = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let n = match tokio::time::timeout(left, client.peek(&mut buffer)).await {
            Ok(Ok(n)) => n,
            Ok(Err(_)) | Err(_) => return Detection::NeedMore,
        };
        let found = detect(buffer.get(..n).unwrap_or_default(), port);
        if found != Detection::NeedMore || n == 0 || n == MAX_PEEK || left.is_zero() {
            return found;
        }
        if n == seen {
            // The same bytes are still there, and the socket stays readable: look again later.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        seen = n;
    }
}
