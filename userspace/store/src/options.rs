//! How the log is kept, and what it takes.

use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, FileSystem};

/// How the log is kept.
#[derive(Clone)]
pub struct Options {
    /// A segment is not grown beyond so many bytes (one append always fits).
    pub segment_bytes: u64,
    /// What was appended is on disk at most this long after, unless the disk is slower. Half
    /// of it is spent waiting for others to append.
    pub sync_interval: Duration,
    /// The disk.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            sync_interval: Duration::from_millis(50),
            disk: Arc::new(FileSystem),
        }
    }
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Segments of the log.
    pub segments: usize,
    /// Bytes of the log.
    pub log: u64,
    /// Bytes of the index.
    pub index: u64,
}
