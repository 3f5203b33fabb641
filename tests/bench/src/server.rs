//! The far end of the bench's own clients: threads that accept from one socket.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use sluice_harness::REMOTE;

use crate::wire::{Ask, CHUNK, MESSAGE};

/// Connections that are served at once; held ones do not count.
const WORKERS: usize = 24;

/// A server on [`REMOTE`] that lives as long as the program.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Server {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((REMOTE, 0)).context("no port for the bench's server")?;
        let address = listener.local_addr()?;
        let held: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        for _ in 0..WORKERS {
            let (listener, held) = (listener.try_clone()?, Arc::clone(&held));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that goes away in the middle says so itself.
                    let _ = serve(stream, &held);
                }
            });
        }
        Ok(Self { address, held })
    }

    /// Closes the connections that were to be held.
    pub(crate) fn release(&self) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn serve(mut stream: TcpStream, held: &Mutex<Vec<TcpStream>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    stream.read_exact(&mut message)?;
    match Ask::of(&message) {
        None => Ok(()),
        Some(Ask::Upload(bytes)) => {
            swallow(&mut stream, bytes)?;
            stream.write_all(&message)
        }
        Some(Ask::Download(bytes)) => pour(&mut stream, bytes),
        Some(Ask::Echo) => loop {
            stream.write_all(&message)?;
            stream.read_exact(&mut message)?;
        },
        Some(Ask::Hold) => {
            stream.write_all(&message)?;
            held.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(stream);
            Ok(())
        }
    }
}

/// Reads so many bytes.
pub(crate) fn swallow(stream: &mut TcpStream, bytes: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let got = stream.read(&mut buffer)? as u64;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(got);
    }
    Ok(())
}

/// Writes so many bytes.
pub(crate) fn pour(stream: &mut TcpStream, bytes: u64) -> std::io::Result<()> {
    let buffer = vec![0x5a; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        stream.write_all(buffer.get(..size).unwrap_or(&buffer))?;
        left -= size as u64;
    }
    Ok(())
}
