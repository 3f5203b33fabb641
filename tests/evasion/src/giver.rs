use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use sluice_harness::{Daemonised, REMOTE, Scratch};

use crate::vector::{python, vector};

/// A process outside the job that hands sockets in (`vectors/giver.py`).
pub struct Giver {
    _process: Daemonised,
    /// The unix socket at which it hands one to whoever comes.
    pub door: String,
    /// Its pid.
    pub pid: String,
    /// The descriptor of such a socket in it.
    pub descriptor: String,
}

impl Giver {
    /// Starts it, for sockets of `kind` (`tcp`, `udp`, `raw`), connected where `to` says.
    ///
    /// # Errors
    /// When Python cannot be executed, or the socket not be made.
    pub fn start(place: &Scratch, kind: &str, to: Option<SocketAddr>) -> anyhow::Result<Self> {
        let door = place.path().join("door");
        let mut command = Command::new(python());
        command.arg("-B").arg(vector("giver")).arg(&door).arg(kind);
        if let Some(to) = to {
            command.args([to.ip().to_string(), to.port().to_string()]);
        }
        // Its ready line goes through a pipe, and comes when the door is there.
        let (reader, writer) = std::io::pipe()?;
        command.stdout(writer).stdin(Stdio::null());
        let process = Daemonised::spawn(&mut command, Signal::SIGKILL)?;
        drop(command);
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", pid, descriptor] = words.as_slice() else {
            bail!("the giver says {line:?}");
        };
        Ok(Self {
            _process: process,
            door: door.to_string_lossy().into_owned(),
            pid: (*pid).to_owned(),
            descriptor: (*descriptor).to_owned(),
        })
    }
}

/// A server of which connections are made before anything is sent on them.
pub struct Patient {
    address: SocketAddr,
    told: Receiver<String>,
}

impl Patient {
    /// Listens on a free port of [`REMOTE`], and answers `seen` to what comes first.
    ///
    /// # Errors
    /// When there is none.
    pub fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((REMOTE, 0)).context("bind a server")?;
        let address = listener.local_addr()?;
        let (teller, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let teller = teller.clone();
                std::thread::spawn(move || hear(stream, &teller));
            }
        });
        Ok(Self { address, told })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}

fn hear(mut stream: TcpStream, teller: &Sender<String>) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        let _ = teller.send(String::from_utf8_lossy(bytes).into_owned());
        let _ = stream.write_all(b"seen");
    }
}
