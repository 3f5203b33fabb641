//! The resolver of jobs: DNS is egress, so every question is judged, and the answers tie
//! names to addresses for the flows that follow.
//!
//! Questions go to the host's own servers, never to a public one by itself. Names that the
//! host's owner gave (`/etc/hosts`, `[resolver.hosts]`) are answered here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_flow::gate::{Direction, no_body};
use sluice_flow::kernel::{Origin, Transport};
use sluice_flow::ports::RecordError;
use sluice_flow::session::Outcome;
use sluice_flow::{Answer, Cause, Destination, Gate, HostFact, Judgement, Operation, Refusal};
use sluice_protocols::dns::{self, Answers, MESSAGE_BYTES, Question, Rcode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::gate::{Asker, FlowGate, Log};
use crate::job::RunningJob;
use crate::limits::{MAX_QUESTIONS, RESOLVE_WAIT};
use crate::proxy::Proxy;

/// The port of DNS (RFC 1035 section 4.2).
pub(crate) const PORT: u16 = 53;
/// How long owner-given names may be cached, seconds.
const STATIC_TTL: u32 = 60;

/// The servers that are asked, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstreams(pub Vec<SocketAddr>);

impl Upstreams {
    /// The servers of a resolv.conf(5).
    #[must_use]
    pub fn of_resolv_conf(text: &str) -> Self {
        let server = |line: &str| {
            let mut words = line.split_whitespace();
            let address = (words.next()? == "nameserver").then(|| words.next())??;
            Some(SocketAddr::new(address.parse().ok()?, PORT))
        };
        Self(text.lines().filter_map(server).collect())
    }

    /// Asks one server after the other; gives the answer with the id of the question.
    async fn ask(&self, question: &Question, message: &[u8]) -> io::Result<(Vec<u8>, Answers)> {
        let none = || io::Error::other("no DNS server is configured: [resolver] upstream");
        let mut failed = none();
        for server in &self.0 {
            let asked = Asked::of(question, message);
            match tokio::time::timeout(RESOLVE_WAIT, asked.ask(*server)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, server.to_string()),
            }
        }
        Err(failed)
    }
}

/// A question on its way to a server, with an id and a source port of its own (RFC 5452), so
/// that nobody can guess them from what the job sent.
struct Asked {
    question: Question,
    client_id: [u8; 2],
    message: Vec<u8>,
}

impl Asked {
    fn of(question: &Question, message: &[u8]) -> Self {
        let [a, b, ..] = Uuid::new_v4().into_bytes();
        let mut own = vec![a, b];
        own.extend(message.iter().skip(2));
        Self {
            question: Question {
                id: u16::from_be_bytes([a, b]),
                ..question.clone()
            },
            client_id: question.id.to_be_bytes(),
            message: own,
        }
    }

    async fn ask(&self, server: SocketAddr) -> io::Result<(Vec<u8>, Answers)> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = tokio::net::UdpSocket::bind(SocketAddr::new(any, 0)).await?;
        socket.connect(server).await?;
        socket.send(&self.message).await?;
        let mut buffer = vec![0; MESSAGE_BYTES];
        loop {
            let n = socket.recv(&mut buffer).await?;
            // What is not the answer is somebody's guess: the answer may still come.
            let Ok(answer) = self.read(buffer.get(..n).unwrap_or_default()) else {
                continue;
            };
            if answer.1.truncated {
                return self.ask_over_tcp(server).await;
            }
            return Ok(answer);
        }
    }

    async fn ask_over_tcp(&self, server: SocketAddr) -> io::Result<(Vec<u8>, Answers)> {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&framed(&self.message)?).await?;
        let answer = read_framed(&mut stream).await?;
        self.read(&answer.ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    /// Checks an answer, and gives it the id that the client waits for.
    fn read(&self, answer: &[u8]) -> io::Result<(Vec<u8>, Answers)> {
        let answers = dns::answers(answer, &self.question)
            .map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        let mut as_asked = self.client_id.to_vec();
        as_asked.extend(answer.iter().skip(2));
        Ok((as_asked, answers))
    }
}

/// A message with its length before it (RFC 1035 section 4.2.2).
fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a message over 65,535 bytes");
    dns::frame(message).ok_or_else(too_long)
}

/// The next message; `None` at the end of the stream.
async fn read_framed(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

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
            answer_overload(&socket, peer, &message).await;
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

async fn answer_overload(socket: &tokio::net::UdpSocket, peer: SocketAddr, message: &[u8]) {
    if let Ok(question) = dns::question(message) {
        let _ = socket
            .send_to(
                &dns::refusal(&question, Rcode::ServFail, "too many questions"),
                peer,
            )
            .await;
    }
}

/// One datagram is one session. A sender that the kernel has no entry for gets no answer.
async fn answer_datagram(proxy: &Proxy, peer: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let origin = proxy.origins.take(peer, Transport::Udp)?;
    let job = proxy.jobs.find(origin.job)?;
    let mut gate = match open(proxy, job, peer, &origin) {
        Ok(gate) => gate,
        Err(error) => {
            tracing::error!(%error, "a DNS question is not resolved because it cannot be recorded");
            let question = dns::question(message).ok()?;
            let text = "the question cannot be recorded";
            return Some(dns::refusal(&question, Rcode::ServFail, text));
        }
    };
    let answer = answer(proxy, &mut gate, message).await;
    gate.close(Outcome::Closed);
    answer.map(|answer| fit_datagram(message, answer))
}

fn open(
    proxy: &Proxy,
    job: Arc<RunningJob>,
    peer: SocketAddr,
    origin: &Origin,
) -> Result<FlowGate, RecordError> {
    let log = Log::new(proxy.recorder.session()?);
    let lineage = proxy.lineages.behind(origin);
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

/// Serves questions of one TCP connection, one after the other.
///
/// # Errors
/// When the client breaks off or sends what is no question.
pub(crate) async fn serve_tcp(
    proxy: &Proxy,
    mut client: TcpStream,
    gate: &mut FlowGate,
) -> io::Result<()> {
    while let Some(message) = framed_or_refused(&mut client, gate).await? {
        let Some(answer) = answer(proxy, gate, &message).await else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        client.write_all(&framed(&answer)?).await?;
    }
    Ok(())
}

/// What ends within a message is no DNS: whatever it was, it is on record as refused.
async fn framed_or_refused(
    client: &mut TcpStream,
    gate: &mut FlowGate,
) -> io::Result<Option<Vec<u8>>> {
    let message = read_framed(client).await;
    if let Err(error) = &message
        && error.kind() == io::ErrorKind::UnexpectedEof
    {
        let text = "the connection ended within a DNS message";
        gate.refused(&Refusal::of(Cause::ClientBroken, text));
    }
    message
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
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_servers() {
        let text = "# c\nnameserver 192.0.2.53\nsearch example.com\nnameserver 2001:db8::53\nnameserver x\n";
        let servers = Upstreams::of_resolv_conf(text).0;
        let want: Vec<SocketAddr> = vec![
            "192.0.2.53:53".parse().unwrap(),
            "[2001:db8::53]:53".parse().unwrap(),
        ];
        assert_eq!(servers, want);
    }

    #[test]
    fn a_message_at_the_limit_is_framed_and_one_over_is_not() {
        assert_eq!(framed(&vec![0; 65_535]).unwrap().len(), 65_537);
        assert!(framed(&vec![0; 65_536]).is_err());
    }
}
