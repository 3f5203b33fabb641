//! The host's own DNS servers, asked for jobs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sluice_protocols::dns::{self, Answers, MESSAGE_BYTES, Question};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::limits::RESOLVE_WAIT;
use crate::resolver::PORT;

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
    pub(crate) async fn ask(
        &self,
        question: &Question,
        message: &[u8],
    ) -> io::Result<(Vec<u8>, Answers)> {
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
        let first = stream.read_u8().await?;
        self.read(&read_framed(first, &mut stream).await?)
    }

    /// Checks an answer, and gives it the id that the client waits for. What is read of it is
    /// what the client gets: a name may point into what was hidden.
    fn read(&self, answer: &[u8]) -> io::Result<(Vec<u8>, Answers)> {
        let broken = |fault| io::Error::new(io::ErrorKind::InvalidData, fault);
        let mut hidden = answer.to_vec();
        dns::hide_ech(&mut hidden).map_err(broken)?;
        let answers = dns::answers(&hidden, &self.question).map_err(broken)?;
        let mut as_asked = self.client_id.to_vec();
        as_asked.extend(hidden.iter().skip(2));
        Ok((as_asked, answers))
    }
}

/// A message with its length before it (RFC 1035 section 4.2.2).
pub(crate) fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a message over 65,535 bytes");
    dns::frame(message).ok_or_else(too_long)
}

/// The message whose length begins with `first`.
pub(crate) async fn read_framed<S: AsyncRead + Unpin>(
    first: u8,
    stream: &mut S,
) -> io::Result<Vec<u8>> {
    let length = u16::from_be_bytes([first, stream.read_u8().await?]);
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
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

    /// A question for example.com, and an answer with an HTTPS record whose type another record's
    /// name points at (RFC 1035 section 4.1.4): the root while it is 65, nothing once it is hidden.
    fn pointing_at_a_type(parameter: u16) -> (Vec<u8>, Vec<u8>) {
        let mut question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        question.extend(b"\x07example\x03com\0\0\x41\0\x01");
        let mut answer = question.clone();
        answer.splice(2..8, *b"\x81\x80\0\x01\0\x02");
        answer.extend(b"\xc0\x0c");
        let at = u8::try_from(answer.len()).unwrap();
        answer.extend(b"\0\x41\0\x01\0\0\0\x3c\0\x07\0\x01\0");
        answer.extend(parameter.to_be_bytes());
        answer.extend([0, 0]);
        answer.extend([0xc0, at]);
        answer.extend(b"\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        (question, answer)
    }

    #[test]
    fn what_is_read_is_what_the_client_gets() {
        for (parameter, passes) in [(1, true), (5, false)] {
            let (question, mut answer) = pointing_at_a_type(parameter);
            let asked = Asked::of(&dns::question(&question).unwrap(), &question);
            answer.splice(..2, asked.message.iter().take(2).copied());
            let read = asked.read(&answer);
            assert_eq!(read.is_ok(), passes, "{parameter}: {read:?}");
        }
    }
}
