//! `sluice-bench client ...`: the load, run directly or as a job. Each prints one line of JSON
//! with what it measured itself, so that no start-up is in it.

mod bulk;
mod connect;
mod download;
mod idle;
mod spawn;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, bail};

use crate::wire::{Ask, MESSAGE};

/// Runs the client that the arguments name.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = match words.as_slice() {
        ["upload", address, bytes] => bulk::upload(address.parse()?, bytes.parse()?)?,
        ["download", address, bytes] => bulk::download(address.parse()?, bytes.parse()?)?,
        ["connect", address, count] => connect::one_by_one(address.parse()?, count.parse()?)?,
        ["connects", address, count, threads] => {
            connect::at_once(address.parse()?, count.parse()?, threads.parse()?)?
        }
        ["request", address, count] => connect::kept_open(address.parse()?, count.parse()?)?,
        ["get", address, path, count] => download::get(address.parse()?, path, count.parse()?)?,
        ["spawn", count] => spawn::run(count.parse()?)?,
        ["idle", address, count] => return idle::hold(address.parse()?, count.parse()?),
        _ => bail!("no such client: {}", words.join(" ")),
    };
    println!("{report}");
    Ok(())
}

/// A connection whose first message was sent.
fn ask(address: SocketAddr, ask: Ask) -> anyhow::Result<TcpStream> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.write_all(&ask.header())?;
    Ok(stream)
}

/// Reads the answer, which repeats the question.
fn answer(stream: &mut TcpStream, ask: Ask) -> anyhow::Result<()> {
    let mut message = [0; MESSAGE];
    stream.read_exact(&mut message).context("no answer")?;
    if message != ask.header() {
        bail!("the answer is not what the server sends");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
