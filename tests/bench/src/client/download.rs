use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::wire::CHUNK;

/// Lines that an answer's head may have.
const MAX_HEAD_LINES: usize = 100;

/// Requests `path` so many times over one connection; the rate is of bodies as they arrive.
pub(super) fn get(address: SocketAddr, path: &str, count: u32) -> anyhow::Result<Value> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(CHUNK, stream);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
    let begun = Instant::now();
    let mut bytes = 0;
    for _ in 0..count {
        writer.write_all(request.as_bytes())?;
        bytes += answer(&mut reader)?;
    }
    let megabytes = bytes as f64 / 1e6;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({ "rate": megabytes / seconds, "work": megabytes / 1e3 }))
}

/// Reads an answer, and gives the bytes of its body (RFC 9112 section 6).
pub(super) fn answer(reader: &mut BufReader<impl Read>) -> anyhow::Result<u64> {
    let status = line(reader)?;
    if status.split(' ').nth(1) != Some("200") {
        bail!("the server answered: {status}");
    }
    let (mut length, mut chunked) = (None, false);
    for _ in 0..MAX_HEAD_LINES {
        let field = line(reader)?.to_ascii_lowercase();
        match field.split_once(':') {
            None if field.is_empty() && chunked => return chunks(reader),
            None if field.is_empty() => return body(reader, length.context("no length")?),
            Some(("content-length", value)) => length = Some(value.trim().parse()?),
            Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
            _ => {}
        }
    }
    bail!("the head has over {MAX_HEAD_LINES} lines")
}

fn chunks(reader: &mut BufReader<impl Read>) -> anyhow::Result<u64> {
    let mut bytes = 0;
    loop {
        let size = line(reader)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).context("no chunk size")?;
        bytes += body(reader, size)?;
        if !line(reader)?.is_empty() {
            bail!("a chunk does not end");
        }
        if size == 0 {
            return Ok(bytes);
        }
    }
}

fn body(reader: &mut BufReader<impl Read>, length: u64) -> anyhow::Result<u64> {
    let mut left = length;
    while left > 0 {
        let here = reader.fill_buf()?.len();
        if here == 0 {
            bail!("the body ends {left} bytes early");
        }
        let take = usize::try_from(left).unwrap_or(here).min(here);
        reader.consume(take);
        left -= take as u64;
    }
    Ok(length)
}

fn line(reader: &mut BufReader<impl Read>) -> anyhow::Result<String> {
    let mut line = String::new();
    if reader.take(16 << 10).read_line(&mut line)? == 0 {
        bail!("the connection ended");
    }
    Ok(line.trim_end().to_owned())
}
