//! The active probe: a process of its own, a member like a job's, that tries what jobs try.
//!
//! It reads one byte a try from standard input and answers with one line. The daemon opens
//! the gate only for as long as the tries go through the whole data path: hook, redirect,
//! listener, origin, lineage.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use sluice_proxy::PROBE_PASSED;

/// Where the probe dials. Nobody listens there: without redirect it is refused.
const TARGET4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 83, 76, 67)), 7);
const TARGET6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 7);

/// How long one try may take.
const TRY_WAIT: Duration = Duration::from_millis(700);

/// One thing that the probe tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Try {
    /// A TCP connection over IPv4 is redirected, attributed, and shows the asked peer.
    Connect4,
    /// The same over IPv6.
    Connect6,
    /// The same over a v4-mapped address.
    Mapped,
    /// A UDP datagram to a port that is not 53 is refused.
    Udp4,
    /// The same over IPv6.
    Udp6,
    /// A raw socket is refused.
    Raw,
}

impl Try {
    /// All of them, with the byte that asks for each and the hooks that it proves.
    pub(crate) const ALL: [(Self, u8, &'static str); 6] = [
        (
            Self::Connect4,
            b'4',
            "TCP over IPv4 is redirected (connect4, sock_ops, getpeername4)",
        ),
        (
            Self::Connect6,
            b'6',
            "TCP over IPv6 is redirected (connect6, sock_ops, getpeername6)",
        ),
        (
            Self::Mapped,
            b'm',
            "TCP to a v4-mapped address is redirected (connect6)",
        ),
        (
            Self::Udp4,
            b'u',
            "UDP over IPv4 other than DNS is refused (sendmsg4)",
        ),
        (
            Self::Udp6,
            b'v',
            "UDP over IPv6 other than DNS is refused (sendmsg6)",
        ),
        (Self::Raw, b'r', "raw sockets are refused (sock_create)"),
    ];

    fn byte(self) -> u8 {
        Self::ALL
            .iter()
            .find(|(of, ..)| *of == self)
            .map_or(b'4', |(_, byte, _)| *byte)
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, of, _)| *of == byte)
            .map(|(of, ..)| *of)
    }

    fn run(self) -> Result<(), String> {
        match self {
            Self::Connect4 => connect(TARGET4),
            Self::Connect6 => connect(TARGET6),
            Self::Mapped => {
                let IpAddr::V4(v4) = TARGET4.ip() else {
                    return Err("no target".to_owned());
                };
                connect(SocketAddr::new(v4.to_ipv6_mapped().into(), TARGET4.port()))
            }
            Self::Udp4 => udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), TARGET4),
            Self::Udp6 => udp(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), TARGET6),
            Self::Raw => raw(),
        }
    }
}

fn connect(target: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect_timeout(&target, TRY_WAIT)
        .map_err(|error| format!("connect to {target}: {error}"))?;
    let wait = stream.set_read_timeout(Some(TRY_WAIT));
    wait.map_err(|error| format!("set a timeout: {error}"))?;
    let peer = stream
        .peer_addr()
        .map_err(|error| format!("getpeername: {error}"))?;
    if peer != target {
        return Err(format!("getpeername shows {peer} in place of {target}"));
    }
    let mut answer = Vec::new();
    let read = (&mut stream).take(1024).read_to_end(&mut answer);
    read.map_err(|error| format!("no answer of the gate: {error}"))?;
    if answer == PROBE_PASSED {
        return Ok(());
    }
    Err(format!(
        "the gate answered {:?}",
        String::from_utf8_lossy(&answer)
    ))
}

fn udp(from: SocketAddr, target: SocketAddr) -> Result<(), String> {
    let sent = UdpSocket::bind(from).and_then(|socket| socket.send_to(b"sluice", target));
    match sent {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(format!("refused with another error: {error}")),
        Ok(_) => Err(format!("a datagram to {target} went out")),
    }
}

fn raw() -> Result<(), String> {
    let made = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Icmp,
    );
    match made {
        Err(nix::errno::Errno::EPERM) => Ok(()),
        Err(error) => Err(format!("refused with another error: {error}")),
        Ok(_) => Err("a raw socket was made".to_owned()),
    }
}

/// The probe's own loop: `sluice probe`, hidden. Ends with standard input.
///
/// # Errors
/// When standard input or output break off.
pub fn answer_tries() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for byte in std::io::stdin().lock().bytes() {
        let line = match Try::of(byte.context("read a try")?).map(Try::run) {
            Some(Ok(())) => "ok".to_owned(),
            Some(Err(what)) => what.replace('\n', " "),
            None => "no such try".to_owned(),
        };
        writeln!(out, "{line}").context("answer a try")?;
        out.flush().context("answer a try")?;
    }
    Ok(())
}

/// The daemon's end of the probe.
pub(crate) struct Probe {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Probe {
    /// Starts the probe in `cgroup`, which the kernel side knows as the probe's.
    pub(crate) fn start(cgroup: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the own program")?;
        let mut child = Command::new(&own)
            .args(["enter", "--cgroup"])
            .arg(cgroup)
            .arg("--")
            .arg(&own)
            .arg("probe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the probe")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the probe has no pipes");
        };
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Tries one thing. Blocks for as long as the try takes.
    ///
    /// # Errors
    /// Says what is not as it must be.
    pub(crate) fn run(&mut self, what: Try) -> Result<(), String> {
        let gone = |error: std::io::Error| format!("the probe is gone: {error}");
        self.input.write_all(&[what.byte()]).map_err(gone)?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(gone)?;
        match line.trim_end() {
            "ok" => Ok(()),
            "" => Err("the probe is gone".to_owned()),
            failed => Err(failed.to_owned()),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It may have ended by itself; what matters is that it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_try_has_a_byte_of_its_own() {
        for (of, byte, _) in Try::ALL {
            assert_eq!(Try::of(byte), Some(of));
            assert_eq!(of.byte(), byte);
        }
        assert_eq!(Try::of(b'x'), None);
    }

    #[test]
    fn without_protection_no_try_succeeds() {
        for (of, ..) in Try::ALL {
            if of == Try::Raw && !nix::unistd::geteuid().is_root() {
                continue;
            }
            assert!(
                of.run().is_err(),
                "{of:?} says that it is enforced where nothing is"
            );
        }
    }
}
