//! What members do. Each act prints `RESULT ...` lines.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::harness::{MEMBER, RESULT};

/// Says a result.
pub(crate) fn say(result: impl std::fmt::Display) {
    println!("{RESULT}{result}");
}

pub(crate) fn outcome<T>(result: std::io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPERM) => "EPERM".to_owned(),
            Some(code) => format!("errno {code}"),
            None => error.to_string(),
        },
    }
}

/// Does what the environment says; nothing where it says nothing.
pub(crate) fn act() {
    let Ok(does) = std::env::var(MEMBER) else {
        return;
    };
    let words: Vec<_> = does.split(' ').collect();
    match words.as_slice() {
        ["connect", target] => connect(target),
        ["connect-only", target] => say(outcome(TcpStream::connect(target))),
        ["query", target] => query(target, false),
        ["query-connected", target] => query(target, true),
        ["udp-connect", target] => {
            let socket = UdpSocket::bind(any(target)).unwrap();
            say(outcome(socket.connect(target)));
        }
        ["udp-send", target] => {
            let socket = UdpSocket::bind(any(target)).unwrap();
            say(outcome(socket.send_to(b"out", target)));
        }
        ["hold", state, group] => crate::outlives::hold(state, group),
        other => crate::evasions::act(other),
    }
}

fn any(target: &str) -> &'static str {
    if target.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    }
}

/// Connects, says whom it thinks it talks to, and what came back.
pub(crate) fn connect(target: &str) {
    match TcpStream::connect(target) {
        Ok(mut stream) => {
            say(format_args!("peer {}", stream.peer_addr().unwrap()));
            stream.write_all(b"hello").unwrap();
            let mut answer = String::new();
            match stream.read_to_string(&mut answer) {
                Ok(_) => say(format_args!("answer {answer}")),
                Err(error) => say(outcome::<()>(Err(error))),
            }
        }
        Err(error) => say(outcome::<()>(Err(error))),
    }
}

/// Sends a datagram, says from where the answer came.
fn query(target: &str, connected: bool) {
    let socket = UdpSocket::bind(any(target)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let sent = if connected {
        socket
            .connect(target)
            .and_then(|()| socket.send(b"question"))
    } else {
        socket.send_to(b"question", target)
    };
    say(outcome(sent));
    let mut buffer = [0; 64];
    if let Ok((length, from)) = socket.recv_from(&mut buffer) {
        say(format_args!(
            "{} from {from}",
            String::from_utf8_lossy(&buffer[..length])
        ));
    }
    if connected && let Ok(peer) = socket.peer_addr() {
        say(format_args!("peer {peer}"));
    }
}
