use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};

use super::{answer, ask};
use crate::server::{pour, swallow};
use crate::wire::Ask;

/// Sends so many bytes, and waits until the server has them all.
pub(super) fn upload(address: SocketAddr, bytes: u64) -> anyhow::Result<Value> {
    let question = Ask::Upload(bytes);
    let begun = Instant::now();
    let mut stream = ask(address, question)?;
    pour(&mut stream, bytes)?;
    answer(&mut stream, question)?;
    Ok(report(bytes, begun))
}

/// Receives so many bytes.
pub(super) fn download(address: SocketAddr, bytes: u64) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let mut stream = ask(address, Ask::Download(bytes))?;
    swallow(&mut stream, bytes)?;
    Ok(report(bytes, begun))
}

fn report(bytes: u64, begun: Instant) -> Value {
    let gigabytes = bytes as f64 / 1e9;
    json!({ "rate": gigabytes / begun.elapsed().as_secs_f64(), "work": gigabytes })
}
