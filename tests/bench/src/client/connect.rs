use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use anyhow::bail;
use serde_json::{Value, json};

use super::{answer, ask};
use crate::stats::percentile;
use crate::wire::Ask;

/// Connects, asks once, closes; one after the other.
pub(super) fn one_by_one(address: SocketAddr, count: usize) -> anyhow::Result<Value> {
    let mut micros = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        once(address)?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies(&micros))
}

/// The same from so many threads, each with its share.
pub(super) fn at_once(address: SocketAddr, count: usize, threads: usize) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let share = count / threads.max(1);
    let workers: Vec<_> = (0..threads)
        .map(|_| thread::spawn(move || (0..share).try_for_each(|_| once(address))))
        .collect();
    for worker in workers {
        match worker.join() {
            Ok(result) => result?,
            Err(_) => bail!("a thread of the load panicked"),
        }
    }
    let done = (share * threads) as f64;
    Ok(json!({ "rate": done / begun.elapsed().as_secs_f64(), "work": done }))
}

/// One connection, one question after the other.
pub(super) fn kept_open(address: SocketAddr, count: usize) -> anyhow::Result<Value> {
    let mut stream = ask(address, Ask::Echo)?;
    answer(&mut stream, Ask::Echo)?;
    let mut micros = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        stream.write_all(&Ask::Echo.header())?;
        answer(&mut stream, Ask::Echo)?;
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies(&micros))
}

fn once(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = ask(address, Ask::Echo)?;
    answer(&mut stream, Ask::Echo)
}

fn latencies(micros: &[f64]) -> Value {
    json!({
        "p50": percentile(micros, 0.5),
        "p99": percentile(micros, 0.99),
        "work": micros.len(),
    })
}
