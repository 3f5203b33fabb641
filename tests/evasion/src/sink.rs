use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_harness::REMOTE;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::namespace::{Namespace, within};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a TCP sink answers.
const ANSWER: &[u8] = b"seen";
/// The word by which a sink is asked whether all before it was taken in.
const LAST: &[u8] = b"that-was-all";

/// What a sink listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TCP on [`REMOTE`].
    Tcp4,
    /// TCP on `[::1]`.
    Tcp6,
    /// UDP on [`REMOTE`].
    Udp4,
    /// UDP on `[::1]`.
    Udp6,
    /// UDP-Lite on [`REMOTE`].
    UdpLite,
    /// IP packets of protocol 253 (RFC 3692) on [`REMOTE`]; the port is the protocol.
    Raw4,
    /// The same on `[::1]`.
    Raw6,
    /// Pings of [`REMOTE`].
    Icmp,
}

/// What came to a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who sent it; for TCP, also where nothing was sent.
    pub peer: Option<SocketAddr>,
    /// What was sent, at first.
    pub bytes: Vec<u8>,
}

/// Where a vector tries to bring its word. Its thread ends with the test's process.
pub struct Sink {
    kind: Kind,
    address: IpAddr,
    port: u16,
    /// The network namespace that it is in, where that is not ours.
    inside: Option<PathBuf>,
    seen: Receiver<Seen>,
}

impl Sink {
    /// Listens, on `port`, or on a free one where it is 0.
    ///
    /// # Errors
    /// When the port is taken, or the kernel has no such socket.
    pub fn open(kind: Kind, port: u16) -> anyhow::Result<Self> {
        let address = match kind {
            Kind::Tcp6 | Kind::Udp6 | Kind::Raw6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Kind::Tcp4 | Kind::Udp4 | Kind::UdpLite | Kind::Raw4 | Kind::Icmp => REMOTE,
        };
        Self::open_at(kind, address, port)
    }

    /// Listens on an address of its own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at(kind: Kind, address: IpAddr, port: u16) -> anyhow::Result<Self> {
        let (told, seen) = channel();
        let port = match kind {
            Kind::Tcp4 | Kind::Tcp6 => {
                let listener = TcpListener::bind((address, port)).context("bind a sink")?;
                let port = listener.local_addr()?.port();
                std::thread::spawn(move || accept(&listener, &told));
                port
            }
            Kind::Udp4 | Kind::Udp6 | Kind::UdpLite | Kind::Raw4 | Kind::Raw6 | Kind::Icmp => {
                let socket = datagram_socket(kind)?;
                let bound = socket.bind(&SockAddr::from(SocketAddr::from((address, port))));
                bound.context("bind a sink")?;
                let own = socket.local_addr()?.as_socket().map(|own| own.port());
                let socket = UdpSocket::from(socket);
                std::thread::spawn(move || receive(&socket, &told));
                match kind {
                    Kind::Raw4 | Kind::Raw6 => 253,
                    _ => own.unwrap_or_default(),
                }
            }
        };
        Ok(Self {
            kind,
            address,
            port,
            inside: None,
            seen,
        })
    }

    /// Listens in another network namespace.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(namespace: &Namespace, kind: Kind) -> anyhow::Result<Self> {
        let mut sink = namespace.within(|| Self::open(kind, 0))?;
        sink.inside = Some(namespace.path());
        Ok(sink)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Its port; for raw sinks the protocol.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits until something with `word` in it came.
    ///
    /// # Errors
    /// When it does not come.
    pub fn must_see(&self, word: &str) -> anyhow::Result<Seen> {
        loop {
            let seen = self.seen.recv_timeout(PATIENCE);
            let seen = seen.with_context(|| format!("{word} did not reach the sink"))?;
            if contains(&seen.bytes, word.as_bytes()) {
                return Ok(seen);
            }
        }
    }

    /// All that came so far. Nothing is waited for: a last word is sent, and what came before it
    /// was taken in before it.
    ///
    /// # Errors
    /// When the last word does not arrive.
    pub fn so_far(&self) -> anyhow::Result<Vec<Seen>> {
        let (kind, address, port) = (self.kind, self.address, self.port);
        match &self.inside {
            Some(path) => within(path, || send_last(kind, address, port))?,
            None => send_last(kind, address, port)?,
        }
        let mut all = Vec::new();
        loop {
            let seen = self.seen.recv_timeout(PATIENCE);
            let seen = seen.context("the sink does not see what the test itself sends")?;
            if contains(&seen.bytes, LAST) {
                return Ok(all);
            }
            all.push(seen);
        }
    }

    /// Whatever came, none of it was the word, and nobody connected.
    ///
    /// # Errors
    /// With what came.
    pub fn must_have_seen_nothing(&self, word: &str) -> anyhow::Result<()> {
        let connected = matches!(self.kind, Kind::Tcp4 | Kind::Tcp6);
        let seen = self.so_far()?;
        let out = seen
            .iter()
            .find(|seen| connected || contains(&seen.bytes, word.as_bytes()));
        match out {
            Some(seen) => bail!("it got out: {seen:?}"),
            None => Ok(()),
        }
    }
}

fn send_last(kind: Kind, address: IpAddr, port: u16) -> anyhow::Result<()> {
    if matches!(kind, Kind::Tcp4 | Kind::Tcp6) {
        let mut stream = TcpStream::connect((address, port))?;
        stream.write_all(LAST)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        return Ok(());
    }
    let mut packet = LAST.to_vec();
    let port = match kind {
        Kind::Raw4 | Kind::Raw6 | Kind::Icmp => 0,
        _ => port,
    };
    if kind == Kind::Icmp {
        // An echo reply without a checksum: raw sockets take it as it is.
        packet.splice(0..0, [0; 8]);
    }
    let to = SockAddr::from(SocketAddr::from((address, port)));
    datagram_socket(kind)?.send_to(&packet, &to)?;
    Ok(())
}

fn datagram_socket(kind: Kind) -> anyhow::Result<Socket> {
    let raw = Type::from(3);
    let (domain, socket_type, protocol) = match kind {
        Kind::Udp4 => (Domain::IPV4, Type::DGRAM, Protocol::UDP),
        Kind::Udp6 => (Domain::IPV6, Type::DGRAM, Protocol::UDP),
        Kind::UdpLite => (Domain::IPV4, Type::DGRAM, Protocol::from(136)),
        Kind::Raw4 => (Domain::IPV4, raw, Protocol::from(253)),
        Kind::Raw6 => (Domain::IPV6, raw, Protocol::from(253)),
        Kind::Icmp => (Domain::IPV4, raw, Protocol::ICMPV4),
        Kind::Tcp4 | Kind::Tcp6 => bail!("TCP has no datagrams"),
    };
    Socket::new(domain, socket_type, Some(protocol)).context("make a sink's socket")
}

fn accept(listener: &TcpListener, told: &Sender<Seen>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let peer = stream.peer_addr().ok();
        let mut bytes = vec![0; 4096];
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let length = loop {
            match stream.read(&mut bytes) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break 0,
            }
        };
        bytes.truncate(length);
        let _ = stream.write_all(ANSWER);
        if told.send(Seen { peer, bytes }).is_err() {
            return;
        }
    }
}

fn receive(socket: &UdpSocket, told: &Sender<Seen>) {
    let mut buffer = [0; 2048];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        if peer.port() != 0 {
            // So that whoever waits for an answer has one.
            let _ = socket.send_to(ANSWER, peer);
        }
        let bytes = buffer.iter().take(length).copied().collect();
        let peer = Some(peer);
        if told.send(Seen { peer, bytes }).is_err() {
            return;
        }
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
