use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use sluice_harness::REMOTE;

/// What a [`HttpSink`] answers to each head of a request.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers 200 to whatever ends like a head, and keeps every byte that came.
pub struct HttpSink {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// All that came, and how many connections are open.
    state: Mutex<(Vec<u8>, usize)>,
    changed: Condvar,
}

impl HttpSink {
    /// Listens on `port` of [`REMOTE`], or on a free one where it is 0.
    ///
    /// # Errors
    /// When it is taken.
    pub fn open(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((REMOTE, port)).context("bind a sink")?;
        let port = listener.local_addr()?.port();
        let shared: Arc<Shared> = Arc::default();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                shared.change(|(_, open)| *open = open.saturating_add(1));
                std::thread::spawn(move || {
                    serve(stream, &shared);
                    shared.change(|(_, open)| *open = open.saturating_sub(1));
                });
            }
        });
        Ok(Self { port, shared })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that came since it was last asked. It waits until nobody is connected; that whoever
    /// connected before was accepted, a connection of its own proves.
    ///
    /// # Errors
    /// When it cannot be dialled.
    pub fn came(&self) -> anyhow::Result<String> {
        let mut own = TcpStream::connect((REMOTE, self.port))?;
        own.write_all(b"\r\n\r\n")?;
        own.read_exact(&mut [0; RESPONSE.len()])?;
        drop(own);
        let state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let quiet = self.shared.changed.wait_while(state, |(_, open)| *open > 0);
        let mut quiet = quiet.unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut quiet.0);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Shared {
    fn change(&self, how: impl FnOnce(&mut (Vec<u8>, usize))) {
        how(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut buffer = [0; 4096];
    let mut tail: Vec<u8> = Vec::new();
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let part = buffer.get(..length).unwrap_or_default();
        shared.change(|(bytes, _)| bytes.extend(part));
        tail.extend(part);
        while let Some(at) = tail.windows(4).position(|window| window == b"\r\n\r\n") {
            tail.drain(..at.saturating_add(4));
            if stream.write_all(RESPONSE).is_err() {
                return;
            }
        }
    }
}
