//! The files of the log, and reading them in order.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Result, StoreError};
use crate::frame::{
    Broken, Decoded, FRAME_HEADER, Frame, HASH, Hash, SEGMENT_HEADER, SegmentHeader, decode,
};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// How much is read at once where one record is wanted.
const ONE_RECORD: usize = 4096;

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// Its position, by its name.
    pub(crate) base: u64,
    /// Bytes in it.
    pub(crate) len: u64,
}

impl Segment {
    pub(crate) fn end(&self) -> u64 {
        self.base.saturating_add(self.len)
    }
}

/// The name of the segment at `base`.
pub(crate) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

fn base_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    name.parse().ok().filter(|_| name.len() == 20)
}

/// The segments in `dir`, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
        let path = entry.map_err(StoreError::io("read", dir))?.path();
        if let Some(base) = base_of(&path) {
            let len = path
                .metadata()
                .map_err(StoreError::io("read", &path))?
                .len();
            segments.push(Segment { path, base, len });
        }
    }
    segments.sort_by_key(|segment| segment.base);
    Ok(segments)
}

/// What is met on the way through the log.
#[derive(Clone, Copy)]
pub(crate) enum Met<'a> {
    /// A segment starts.
    Segment(&'a Segment, Result<SegmentHeader, Broken>),
    /// A record.
    Frame {
        position: u64,
        frame: Frame<'a>,
        /// Whether it is the one that was written behind the one before it.
        intact: bool,
    },
    /// From here to the end of the segment nothing can be told apart.
    Broken { position: u64, what: Broken },
    /// The segment ends in the middle of a record, or in zeros.
    Torn { bytes: u64 },
}

pub(crate) type Flow = Result<ControlFlow<()>>;

/// Goes through the log from `from` (a record's position, or anything up to the first's) to
/// `until`, in order.
pub(crate) fn walk(
    dir: &Path,
    from: u64,
    until: u64,
    visit: &mut dyn FnMut(Met<'_>) -> Flow,
) -> Result<()> {
    for segment in list(dir)? {
        if segment.end() <= from || segment.base >= until {
            continue;
        }
        if walk_segment(&segment, from, until, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Goes through one segment.
pub(crate) fn walk_segment(
    segment: &Segment,
    from: u64,
    until: u64,
    visit: &mut dyn FnMut(Met<'_>) -> Flow,
) -> Flow {
    let file = File::open(&segment.path).map_err(StoreError::io("read", &segment.path))?;
    let mut bytes = Window::new(&file, &segment.path);
    let header = read_header(&mut bytes)?;
    let Some(header) = header else {
        return visit(Met::Torn { bytes: segment.len });
    };
    if visit(Met::Segment(segment, header))?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let first = segment.base.saturating_add(SEGMENT_HEADER as u64);
    let position = from.max(first);
    // The 32 bytes before a record are the hash that it is chained to.
    bytes.seek(
        position
            .saturating_sub(segment.base)
            .saturating_sub(HASH as u64),
    );
    let previous = match bytes.at_least(HASH)?.first_chunk::<HASH>() {
        Some(hash) => *hash,
        None => return Ok(ControlFlow::Continue(())),
    };
    bytes.skip(HASH);
    walk_frames(&mut bytes, position, until, previous, visit)
}

fn read_header(bytes: &mut Window<'_>) -> Result<Option<Result<SegmentHeader, Broken>>> {
    let header = bytes.at_least(SEGMENT_HEADER)?.first_chunk();
    Ok(header.map(SegmentHeader::decode))
}

fn walk_frames(
    bytes: &mut Window<'_>,
    mut position: u64,
    until: u64,
    mut previous: Hash,
    visit: &mut dyn FnMut(Met<'_>) -> Flow,
) -> Flow {
    let mut needed = FRAME_HEADER;
    while position < until {
        let found = bytes.at_least(needed)?;
        let whole = match decode(found) {
            Decoded::NeedMore(_) if found.is_empty() => break,
            Decoded::NeedMore(_) if found.len() < needed => {
                let bytes = found.len() as u64;
                return visit(Met::Torn { bytes });
            }
            Decoded::NeedMore(more) => {
                needed = found.len().saturating_add(more);
                continue;
            }
            Decoded::Broken(what) => {
                return match bytes.zeros_to_the_end()? {
                    Some(bytes) => visit(Met::Torn { bytes }),
                    None => visit(Met::Broken { position, what }),
                };
            }
            Decoded::Consumed(frame, whole) => {
                let intact = frame.follows(&previous);
                previous = *frame.hash;
                let met = Met::Frame {
                    position,
                    frame,
                    intact,
                };
                if visit(met)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                whole
            }
        };
        bytes.skip(whole);
        position = position.saturating_add(whole as u64);
        needed = FRAME_HEADER;
    }
    Ok(ControlFlow::Continue(()))
}

/// A file, seen through a buffer that moves forward.
struct Window<'a> {
    file: &'a File,
    path: &'a Path,
    chunk: usize,
    buffer: Vec<u8>,
    start: usize,
    /// Where in the file the buffer ends.
    read: u64,
}

impl<'a> Window<'a> {
    fn new(file: &'a File, path: &'a Path) -> Self {
        Self {
            file,
            path,
            chunk: CHUNK,
            buffer: Vec::new(),
            start: 0,
            read: 0,
        }
    }

    fn seek(&mut self, offset: u64) {
        self.buffer.clear();
        self.start = 0;
        self.read = offset;
    }

    fn skip(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes);
    }

    /// At least `bytes` from here on, or all that there is.
    fn at_least(&mut self, bytes: usize) -> Result<&[u8]> {
        while self.buffer.len().saturating_sub(self.start) < bytes {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
            let missing = bytes.saturating_sub(self.buffer.len());
            if self.read_more(missing.max(self.chunk))? == 0 {
                break;
            }
        }
        Ok(self.buffer.get(self.start..).unwrap_or_default())
    }

    fn read_more(&mut self, bytes: usize) -> Result<usize> {
        let old = self.buffer.len();
        self.buffer.resize(old.saturating_add(bytes), 0);
        let to = self.buffer.get_mut(old..).unwrap_or_default();
        let read = loop {
            match self.file.read_at(to, self.read) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(StoreError::io("read", self.path))?,
            }
        };
        self.buffer.truncate(old.saturating_add(read));
        self.read = self.read.saturating_add(read as u64);
        Ok(read)
    }

    /// How many bytes are left, where all of them are zeros: what a power loss leaves of
    /// records that were not synced.
    fn zeros_to_the_end(&mut self) -> Result<Option<u64>> {
        let mut zeros = 0_u64;
        loop {
            let found = self.at_least(CHUNK)?;
            if found.iter().any(|byte| *byte != 0) {
                return Ok(None);
            }
            let read = found.len();
            if read == 0 {
                return Ok(Some(zeros));
            }
            zeros = zeros.saturating_add(read as u64);
            self.skip(read);
        }
    }
}

/// Reads single records.
pub(crate) struct Places<'a> {
    segments: &'a [Segment],
    open: Option<(&'a Segment, File)>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(segments: &'a [Segment]) -> Self {
        Self {
            segments,
            open: None,
        }
    }

    /// Reads the record at `position` and takes what is wanted of it; `None` where the log
    /// has none.
    ///
    /// # Errors
    /// Also when what stands there is not what was written there.
    pub(crate) fn read<T>(
        &mut self,
        position: u64,
        take: impl FnOnce(&Frame<'_>) -> T,
    ) -> Result<Option<T>> {
        let Some((segment, file)) = self.file(position)? else {
            return Ok(None);
        };
        let mut bytes = Window::new(file, &segment.path);
        bytes.chunk = ONE_RECORD;
        let offset = position.saturating_sub(segment.base);
        bytes.seek(offset.saturating_sub(HASH as u64));
        let Some(previous) = bytes.at_least(HASH)?.first_chunk::<HASH>().copied() else {
            return Ok(None);
        };
        bytes.skip(HASH);
        let (mut take, mut taken) = (Some(take), None);
        let damaged = |what| StoreError::Damaged {
            path: segment.path.clone(),
            offset,
            what,
        };
        let mut visit = |met: Met<'_>| match met {
            Met::Frame { intact: false, .. } => Err(damaged(Broken::Chain)),
            Met::Broken { what, .. } => Err(damaged(what)),
            Met::Frame { frame, .. } => {
                taken = take.take().map(|take| take(&frame));
                Ok(ControlFlow::Break(()))
            }
            Met::Segment(..) | Met::Torn { .. } => Ok(ControlFlow::Break(())),
        };
        let until = position.saturating_add(1);
        let _ = walk_frames(&mut bytes, position, until, previous, &mut visit)?;
        Ok(taken)
    }

    fn file(&mut self, position: u64) -> Result<Option<(&'a Segment, &File)>> {
        let after = self
            .segments
            .partition_point(|segment| segment.base <= position);
        let found = after.checked_sub(1).and_then(|at| self.segments.get(at));
        let Some(segment) = found else {
            return Ok(None);
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != segment) {
            let file = File::open(&segment.path);
            let file = file.map_err(StoreError::io("read", &segment.path))?;
            self.open = Some((segment, file));
        }
        Ok(self.open.as_ref().map(|(segment, file)| (*segment, file)))
    }

    /// The hash of the record that ends at `position`.
    pub(crate) fn hash_before(&mut self, position: u64) -> Result<Option<Hash>> {
        let Some(position) = position.checked_sub(HASH as u64) else {
            return Ok(None);
        };
        let Some((segment, file)) = self.file(position)? else {
            return Ok(None);
        };
        let mut bytes = Window::new(file, &segment.path);
        bytes.chunk = HASH;
        bytes.seek(position.saturating_sub(segment.base));
        Ok(bytes.at_least(HASH)?.first_chunk().copied())
    }
}
