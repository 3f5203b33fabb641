//! The port to the disk, so that faults can be tested, and the real disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use crate::frame::SEGMENT_HEADER;

/// A segment that is written.
pub trait LogFile: Send + Sync {
    /// Writes all of `bytes` at `offset`, with one system call where the disk takes them.
    ///
    /// # Errors
    /// When not all could be written; some may have been.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// When it could not be cut.
    fn cut(&self, len: u64) -> io::Result<()>;

    /// Puts what was written on disk (`fdatasync`).
    ///
    /// # Errors
    /// When it did not get there; what was written since the last sync may be lost.
    fn sync(&self) -> io::Result<()>;
}

/// Makes segments.
pub trait Disk: Send + Sync {
    /// Makes a new file, private to its owner. One that holds no more than a segment's header
    /// is what an earlier attempt left, and is used.
    ///
    /// # Errors
    /// When it cannot be made, or holds records.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;

    /// Opens a segment to write on.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;

    /// Puts the names in a directory on disk.
    ///
    /// # Errors
    /// When it cannot be synced.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl LogFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = private().create(true).open(path)?;
        if file.metadata()?.len() > SEGMENT_HEADER as u64 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        file.set_len(0)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(private().open(path)?))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// What is in the log is for the daemon's user alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
