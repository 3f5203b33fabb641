//! The end of the log: where records are put.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::batch::Batch;
use crate::disk::{Disk, LogFile};
use crate::error::{Result, StoreError};
use crate::frame::{Hash, NONE, SEGMENT_HEADER, SegmentHeader};
use crate::segment;

/// Which records one follows in its own sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// Those of a session, of which the last is at this position.
    Session(u64),
    /// The daemon's notes.
    Notes,
}

/// Where records went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Position of the first.
    pub(crate) first: u64,
    /// Position of the last.
    pub(crate) last: u64,
    /// Position behind the last.
    pub(crate) end: u64,
}

/// The segment that is written, and what of the log is not on disk yet.
pub(crate) struct End {
    pub(crate) file: Arc<dyn LogFile>,
    pub(crate) path: PathBuf,
    pub(crate) base: u64,
    /// Bytes of the segment that count.
    pub(crate) len: u64,
    pub(crate) hash: Hash,
    /// Position of the last note, and how many there are.
    pub(crate) last_note: u64,
    pub(crate) notes: u64,
    /// Part of a record may stand behind `len`.
    pub(crate) leftover: bool,
    /// A sync failed: what the segment holds on disk is not known, so nothing is added to it.
    pub(crate) suspect: bool,
    /// Full segments that are not on disk yet.
    pub(crate) full: Vec<(PathBuf, Arc<dyn LogFile>)>,
    /// The segment's name is not on disk yet.
    pub(crate) new_name: bool,
}

impl End {
    pub(crate) fn position(&self) -> u64 {
        self.base.saturating_add(self.len)
    }
}

/// Appends records, one append at a time.
pub(crate) struct Appender {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    end: Mutex<End>,
    appended: AtomicU64,
}

impl Appender {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, segment_bytes: u64, end: End) -> Self {
        let appended = AtomicU64::new(end.position());
        Self {
            disk,
            dir,
            segment_bytes,
            end: Mutex::new(end),
            appended,
        }
    }

    /// The position behind the last record.
    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn end(&self) -> parking_lot::MutexGuard<'_, End> {
        self.end.lock()
    }

    /// Writes the frames of `batch`; all of them, or none.
    pub(crate) fn append(&self, batch: &mut Batch, stream: Stream) -> Result<Placed> {
        let end = &mut *self.end.lock();
        self.make_room(end, batch.bytes().len() as u64)?;
        let first = end.position();
        let back = match stream {
            Stream::Session(back) => back,
            Stream::Notes => {
                batch.number(end.notes);
                end.last_note
            }
        };
        let (last, hash) = batch.place(first, end.hash, back);
        self.write(end, batch.bytes())?;
        end.hash = hash;
        end.len = end.len.saturating_add(batch.bytes().len() as u64);
        if let Stream::Notes = stream {
            end.last_note = last;
            end.notes = end.notes.saturating_add(batch.len() as u64);
        }
        self.appended.store(end.position(), Ordering::Release);
        let end = end.position();
        Ok(Placed { first, last, end })
    }

    fn write(&self, end: &mut End, bytes: &[u8]) -> Result<()> {
        end.file.write_at(bytes, end.len).map_err(|error| {
            // Part of it may be there; it goes at once, or before the next record comes.
            end.leftover = end.file.cut(end.len).is_err();
            StoreError::io("write", &end.path)(error)
        })
    }

    /// Sees to it that `bytes` more can follow the last whole record.
    fn make_room(&self, end: &mut End, bytes: u64) -> Result<()> {
        if end.leftover {
            end.file
                .cut(end.len)
                .map_err(StoreError::io("cut", &end.path))?;
            end.leftover = false;
        }
        let full =
            end.len > SEGMENT_HEADER as u64 && end.len.saturating_add(bytes) > self.segment_bytes;
        if full || end.suspect {
            self.roll(end)?;
        }
        Ok(())
    }

    /// Goes on in a new segment.
    fn roll(&self, end: &mut End) -> Result<()> {
        let header = SegmentHeader {
            base: end.position(),
            previous: end.hash,
        };
        let (path, file) = create_segment(&*self.disk, &self.dir, header)?;
        if end.suspect {
            file.sync().map_err(StoreError::io("sync", &path))?;
            end.suspect = false;
        }
        let path = std::mem::replace(&mut end.path, path);
        let file = std::mem::replace(&mut end.file, file);
        end.full.push((path, file));
        end.base = header.base;
        end.len = SEGMENT_HEADER as u64;
        end.hash = header.seed();
        end.new_name = true;
        Ok(())
    }
}

/// Makes the segment that `header` says.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    header: SegmentHeader,
) -> Result<(PathBuf, Arc<dyn LogFile>)> {
    let path = segment::path(dir, header.base);
    let file = disk
        .create(&path)
        .map_err(StoreError::io("create", &path))?;
    file.write_at(&header.encode(), 0)
        .map_err(StoreError::io("write", &path))?;
    Ok((path, file))
}

/// The end of a log that starts in a new segment.
pub(crate) fn end_in_new_segment(
    disk: &dyn Disk,
    dir: &Path,
    header: SegmentHeader,
) -> Result<End> {
    let (path, file) = create_segment(disk, dir, header)?;
    Ok(End {
        file,
        path,
        base: header.base,
        len: SEGMENT_HEADER as u64,
        hash: header.seed(),
        last_note: NONE,
        notes: 0,
        leftover: false,
        suspect: false,
        full: Vec::new(),
        new_name: true,
    })
}
