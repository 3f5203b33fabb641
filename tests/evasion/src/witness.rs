use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use sluice_harness::REMOTE;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where processes say who they are (`vectors/truth.py`): a line of JSON a connection.
pub struct Witness {
    port: u16,
    told: Receiver<Value>,
}

impl Witness {
    /// Listens on a free port of [`REMOTE`].
    ///
    /// # Errors
    /// When there is none.
    pub fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((REMOTE, 0)).context("bind a witness")?;
        let port = listener.local_addr()?.port();
        let (teller, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let teller = teller.clone();
                std::thread::spawn(move || listen(stream, &teller));
            }
        });
        Ok(Self { port, told })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A policy that lets everybody say it.
    #[must_use]
    pub fn policy(&self) -> String {
        format!(
            "version: 1\nname: witness\ndefault: deny\nrules:\n  - name: tell\n    what: {{ cidr: \
             [{REMOTE}], port: {}, protocol: opaque }}\n    then: allow\n",
            self.port
        )
    }

    /// What `count` processes said.
    ///
    /// # Errors
    /// When it is fewer.
    pub fn told(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.told.recv_timeout(PATIENCE) {
                Ok(chain) => all.push(chain),
                Err(_) => bail!("{} of {count} said who they are", all.len()),
            }
        }
        all.extend(self.told.try_iter());
        Ok(all)
    }
}

fn listen(mut stream: TcpStream, teller: &Sender<Value>) {
    let mut line = String::new();
    let read = BufReader::new(&stream).read_line(&mut line);
    if read.is_ok() && !line.is_empty() {
        let chain = serde_json::from_str(&line).unwrap_or(Value::String(line));
        let _ = teller.send(chain);
        let _ = stream.write_all(b"seen");
    }
}
