use std::io::Read as _;
use std::net::SocketAddr;

use super::{answer, ask};
use crate::wire::Ask;

/// Opens so many connections, asks once on each, says so, and keeps them until standard input
/// ends.
pub(super) fn hold(address: SocketAddr, count: usize) -> anyhow::Result<()> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = ask(address, Ask::Hold)?;
        answer(&mut stream, Ask::Hold)?;
        open.push(stream);
    }
    println!("{}", open.len());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
