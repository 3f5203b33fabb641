//! The anchor: where the log ended when it was last synced.
//!
//! A log whose end was cut off is a good log by itself. The head file tells: it is written
//! after every sync, in place, with one write. Whoever can write both can of course make both
//! agree; a copy of the head kept elsewhere ([`crate::Store::head`]) shows that too.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use sluice_flow::session::hex;

use crate::disk::{LogFile as _, private};
use crate::error::{Result, StoreError};
use crate::frame::Hash;

/// Where the log ended, and the hash of its last record there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Position behind the last record, bytes from the start of the log.
    pub position: u64,
    /// The chain's hash there.
    pub hash: Hash,
}

/// Prints as `POSITION HASH`, both of fixed length.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020} {}", self.position, hex(&self.hash))
    }
}

/// The text is none that [`Head`] prints as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the log's position and hash, as `sluice store verify` prints them")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (position, hash) = text.trim_end().split_once(' ').ok_or(HeadError)?;
        let hash = blake3::Hash::from_hex(hash).map_err(|_| HeadError)?;
        let head = Self {
            position: position.parse().map_err(|_| HeadError)?,
            hash: *hash.as_bytes(),
        };
        (head.to_string() == text.trim_end())
            .then_some(head)
            .ok_or(HeadError)
    }
}

/// The name of the head file.
pub(crate) const FILE: &str = "head";

/// What the head file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The log ended here.
    At(Head),
    /// There is none.
    Missing,
    /// It cannot be read as one.
    Unreadable,
}

pub(crate) fn read(dir: &Path) -> Result<Anchor> {
    let path = dir.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .map_or(Anchor::Unreadable, Anchor::At)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Anchor::Missing),
        Err(error) => Err(StoreError::io("read", &path)(error)),
    }
}

pub(crate) fn write(dir: &Path, head: &Head) -> Result<()> {
    let path = dir.join(FILE);
    let write = || {
        let file = private().create(true).open(&path)?;
        file.write_at(format!("{head}\n").as_bytes(), 0)
    };
    write().map_err(StoreError::io("write", &path))
}
