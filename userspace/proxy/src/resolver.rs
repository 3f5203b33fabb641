//! The resolver of jobs: DNS is egress, so every question is judged, and the answers tie
//! names to addresses for the flows that follow.
//!
//! Questions go to the host's own servers, never to a public one by itself. Names that the
//! host's owner gave (`/etc/hosts`, `[resolver.hosts]`) are answered here.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_flow::gate::{Direction, no_body};
use sluice_flow::kernel::{JobTag, Origin, Transport};
use sluice_flow::ports::RecordError;
use sluice_flow::session::Outcome;
use sluice_flow::{Answer, Cause, Destination, Gate, HostFact, Judgement, Operation, Refusal};
use sluice_protocols::dns::{self, MESSAGE_BYTES, Question, Rcode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::account::Log;
use crate::digests;
use crate::gate::{Asker, FlowGate};
use crate::job::RunningJob;
use crate::limits::{MAX_QUESTIONS, NAMES_IDLE};
use crate::proxy::Proxy;
use crate::refusals::RefusedQuestion;
use crate::upstreams::{framed, read_framed};

/// The port of DNS (RFC 1035 section 4.2).
pub(crate) const PORT: u16 = 53;
/// How long owner-given names may be cached, seconds.
const STATIC_TTL: u32 = 60;

/// Serves questions over UDP.
pub(crate) async fn serve_udp(proxy: Arc<Proxy>, socket: UdpSocket) {
    let socket = match tokio::net::UdpSocket::from_std(socket) {
        Ok(socket) => Arc::new(socket),
        Err(error) => return tracing::error!(%error, "DNS is not served"),
    };
    let places = Arc::new(Semaphore::new(MAX_QUESTIONS));
    let mut buffer = vec![0; MESSAGE_BYTES];
    loop {
        let (n, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "receive a DNS question");
                continue;
            }
        };
        let message = buffer.get(..n).unwrap_or_default().to_vec();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            refuse_overload(&proxy, &socket, peer, &message).await;
            continue;
        };
        let (proxy, socket) = (Arc::clone(&proxy), Arc::clone(&socket));
        tokio::task::spawn_local(async move {
            if let Some(answer) = answer_datagram(&proxy, peer, &message).await
                && let Err(error) = socket.send_to(&answer, peer).await
            {
                tracing::debug!(%error, "a DNS answer was not sent");
            }
            drop(place);
        });
    }
}

async fn refuse_overload(
    proxy: &Proxy,
    socket: &tokio::net::UdpSocket,
    peer: SocketAddr,
    message: &[u8],
) {
    let origin = proxy.origins.take(peer, Transport::Udp);
    let text = format!("{MAX_QUESTIONS} DNS questions wait for their answers already");
    proxy.refuse_question(RefusedQuestion {
        peer,
        origin,
        refusal: Refusal::of(Cause::OverLimit, text),
    });
    if let Ok(question) = dns::question(message) {
        let answer = dns::refusal(&question, Rcode::ServFail, "too many questions");
        let _ = socket.send_to(&answer, peer).await;
    }
}

/// One datagram is one session. A sender that the kernel has no entry for gets no answer, and
/// neither does what a job left behind; both are on record.
async fn answer_datagram(proxy: &Proxy, peer: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let refuse = |origin, cause, text| {
        let refusal = Refusal::of(cause, text);
        proxy.refuse_question(RefusedQuestion {
            peer,
            origin,
            refusal,
        });
    };
    let Some(origin) = proxy.origins.take(peer, Transport::Udp) else {
        let text = "the kernel did not redirect this DNS question here: somebody asked the gate";
        refuse(None, Cause::NoOrigin, text);
        return None;
    };
    if origin.job == JobTag::PROBE {
        return None;
    }
    let Some(job) = proxy.jobs.find(origin.job) else {
        let text = "the job of this process has ended; what it left behind has no way out";
        refuse(Some(origin), Cause::NoLineage, text);
        return None;
    };
    let mut gate = match open(proxy, job, peer, &origin).await {
        Ok(gate) => gate,
        Err(error) => {
            tracing::error!(%error, "a DNS question is not resolved because it cannot be recorded");
            let question = dns::question(message).ok()?;
            let text = "the question cannot be recorded";
            return Some(dns::refusal(&question, Rcode::ServFail, text));
        }
    };
    let answer = answer(proxy, &mut gate, message).await;
    gate.into_account().close(Outcome::Closed);
    answer.map(|answer| fit_datagram(message, answer))
}

async fn open(
    proxy: &Proxy,
    job: Arc<RunningJob>,
    peer: SocketAddr,
    origin: &Origin,
) -> Result<FlowGate, RecordError> {
    let log = Log::new(proxy.recorder.session()?);
    let lineage = digests::behind(proxy, &job, origin).await;
    let destination = Destination::of(origin.destination);
    let asker = Asker {
        job,
        lineage,
        destination,
        host: HostFact::Unknown,
    };
    log.append(vec![asker.opened(peer)])?;
    let policy = asker.flow_policy();
    Ok(FlowGate::new(asker, policy, Arc::clone(&proxy.desk), log))
}

/// Serves questions of one TCP connection, one after the other, until the client ends it or says
/// nothing for [`NAMES_IDLE`].
///
/// # Errors
/// When the client breaks off, sends what is no question, or does not take its answers.
pub(crate) async fn serve_tcp<C: AsyncRead + AsyncWrite + Unpin>(
    proxy: &Proxy,
    mut client: C,
    gate: &mut FlowGate,
) -> io::Result<()> {
    while let Some(message) = next_question(&mut client, gate).await? {
        let Some(answer) = answer(proxy, gate, &message).await else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        timeout(NAMES_IDLE, client.write_all(&framed(&answer)?)).await??;
    }
    Ok(())
}

/// The next message; `None` where none comes. What ends or stops within a message is no DNS:
/// whatever it was, it is on record as refused.
async fn next_question<C: AsyncRead + Unpin>(
    client: &mut C,
    gate: &mut FlowGate,
) -> io::Result<Option<Vec<u8>>> {
    let mut first = [0];
    let Ok(begun) = timeout(NAMES_IDLE, client.read(&mut first)).await else {
        return Ok(None);
    };
    if begun? == 0 {
        return Ok(None);
    }
    let [first] = first;
    let why = match timeout(NAMES_IDLE, read_framed(first, client)).await {
        Ok(Ok(message)) => return Ok(Some(message)),
        Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        Ok(Err(_)) => "the connection ended within a DNS message",
        Err(_) => "a DNS message did not come to its end in time",
    };
    gate.refused(&Refusal::of(Cause::ClientBroken, why));
    Err(io::ErrorKind::InvalidData.into())
}

/// Judges a question and answers it; `None` where it is no question.
async fn answer(proxy: &Proxy, gate: &mut FlowGate, message: &[u8]) -> Option<Vec<u8>> {
    gate.passed(Direction::Up, message.len() as u64);
    let question = match dns::question(message) {
        Ok(question) => question,
        Err(error) => {
            gate.refused(&Refusal::of(Cause::ClientBroken, error.to_string()));
            return None;
        }
    };
    let judged = match gate.judge(Operation::Dns(question.operation())).await {
        Judgement::Forward(pass) => Ok(pass),
        Judgement::Refuse(refusal) => Err(refusal),
        Judgement::ReadBody(_) => Err(no_body()),
        Judgement::Hold(hold) => hold.answer.await,
    };
    let answer = match judged {
        Ok(pass) => {
            let (answer, code) = resolve(proxy, gate, &question, message).await;
            let status = Some(code);
            gate.answered(
                pass.operation,
                Answer {
                    status,
                    ..Answer::default()
                },
            );
            answer
        }
        Err(refusal) => dns::refusal(&question, Rcode::Refused, &refusal.text()),
    };
    gate.passed(Direction::Down, answer.len() as u64);
    Some(answer)
}

/// The answer of the owner, or of the host's servers, and its code; names in it are tied to
/// the job.
async fn resolve(
    proxy: &Proxy,
    gate: &mut FlowGate,
    question: &Question,
    message: &[u8],
) -> (Vec<u8>, u16) {
    if let Some(addresses) = proxy.static_names.addresses(&question.name) {
        return (dns::owned(question, addresses, STATIC_TTL), 0);
    }
    let failed = |text: &str| {
        let code = Rcode::ServFail;
        (dns::refusal(question, code, text), code.number())
    };
    let (answer, answers) = match proxy.upstreams.ask(question, message).await {
        Ok(answered) => answered,
        Err(error) => {
            let message = format!("no DNS server answers: {error}");
            gate.refused(&Refusal::of(Cause::UpstreamUnreachable, message));
            return failed("no DNS server answers");
        }
    };
    let now = Instant::now();
    let names = &gate.asker.job.names;
    let tied = answers.addresses.iter().all(|tied| {
        let ttl = Duration::from_secs(u64::from(tied.ttl));
        names.tie(tied.address, &question.name, ttl, now)
    });
    if !tied {
        gate.refused(&Refusal::of(
            Cause::OverLimit,
            "the job resolved too many names",
        ));
        return failed("too many names");
    }
    (answer, answers.code)
}

/// The answer, or, where it is larger than the client takes, one that sends it to TCP.
fn fit_datagram(message: &[u8], answer: Vec<u8>) -> Vec<u8> {
    match dns::question(message) {
        Ok(question) if answer.len() > usize::from(question.udp_bytes) => dns::truncated(&question),
        Ok(_) | Err(_) => answer,
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
