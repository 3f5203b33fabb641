//! What can go wrong, split by who can do something about it.

use std::io;
use std::path::{Path, PathBuf};

use sluice_flow::ports::RecordError;

use crate::frame::{Broken, MAX_PAYLOAD};

/// The log or its index could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes this log.
    #[error(
        "{} is in use by another sluice ({}): stop that one, or pick another --state directory",
        .dir.display(), holder(*.pid)
    )]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// Who, where it said so.
        pid: Option<u32>,
    },
    /// The host: a file could not be made, written, read or synced.
    #[error("cannot {doing} {}: {source}{}", .path.display(), advice(.source))]
    Io {
        /// What was tried: `write`, `sync`, `read`, ...
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The log does not hold what was written.
    #[error("{}, byte {offset}: {what}; `sluice store verify` tells more", .path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: Broken,
    },
    /// A frame of the log holds JSON that this version cannot read.
    #[error("the record at position {position} cannot be read by this version: {why}")]
    Payload {
        /// Position in the log.
        position: u64,
        /// What the parser said.
        why: String,
    },
    /// The index could not be used. It holds nothing that the log does not.
    #[error("index {}: {why}; `sluice store rebuild` makes it anew", .path.display())]
    Index {
        /// Its directory.
        path: PathBuf,
        /// What failed.
        why: String,
    },
    /// The gate: an event is larger than a record can be.
    #[error("a record of {bytes} bytes is over the limit of {MAX_PAYLOAD}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The gate: an event came after the session was closed.
    #[error("the session is closed; it takes no more events")]
    SessionClosed,
    /// The caller: a glob that is none.
    #[error("`{glob}` is no glob: {why}")]
    Glob {
        /// What was given.
        glob: String,
        /// What is wrong.
        why: String,
    },
    /// The caller: no record starts there.
    #[error("no record starts at position {position}: start again from 0 or from the end")]
    Position {
        /// What was given.
        position: u64,
    },
}

impl StoreError {
    pub(crate) fn io<'a>(
        doing: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self {
            what: error.to_string(),
        }
    }
}

/// What this crate gives back.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "it did not say which".to_owned(),
        |pid| format!("pid {pid}"),
    )
}

/// What to do about it, where that is known.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space on its file system, the log goes on by itself then"
        }
        io::ErrorKind::FileTooLarge => {
            "; raise the file size limit (ulimit -f), the log goes on by itself then"
        }
        io::ErrorKind::PermissionDenied => "; the daemon must own the state directory",
        io::ErrorKind::ReadOnlyFilesystem => "; remount it writable",
        _ => "",
    }
}
