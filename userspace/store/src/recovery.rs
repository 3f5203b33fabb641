//! Finding the end of a log that was left by a process that did not say goodbye.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::appender::{End, end_in_new_segment};
use crate::disk::Disk;
use crate::error::{Result, StoreError};
use crate::frame::{Broken, Hash, NONE, SEGMENT_HEADER, SegmentHeader};
use crate::head::{self, Anchor};
use crate::segment::{self, Met, Segment, walk_segment};

/// Where a log without records ends.
const EMPTY: u64 = SEGMENT_HEADER as u64;

/// What was found that a clean end does not leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Bytes of a last record that was not written whole. They were cut off.
    pub(crate) torn: u64,
    /// Damage, in one sentence. It was left where it is and the log goes on behind it.
    pub(crate) damage: Option<String>,
}

/// How a segment ends.
struct Tail {
    /// Position behind the last record that can be told.
    end: u64,
    /// Hash of that record.
    hash: Hash,
    torn: u64,
    broken: Option<Broken>,
}

/// The place where the log goes on.
pub(crate) fn find_end(dir: &Path, disk: &dyn Disk) -> Result<(End, Recovered)> {
    let mut segments = segment::list(dir)?;
    let mut recovered = Recovered::default();
    let anchor = head::read(dir)?;
    // A segment that was being made when the process died holds nothing.
    while let Some(last) = segments.last()
        && last.len < EMPTY
        && (segments.len() > 1 || last.base == 0)
    {
        recovered.torn = recovered.torn.saturating_add(last.len);
        std::fs::remove_file(&last.path).map_err(StoreError::io("remove", &last.path))?;
        segments.pop();
    }
    let Some(last) = segments.last() else {
        return start(dir, disk, anchor, recovered);
    };
    let tail = tail(last)?;
    let end = if let Some(what) = tail.broken {
        let offset = tail.end.saturating_sub(last.base);
        recovered.damage = Some(format!("{}, byte {offset}: {what}", last.path.display()));
        let header = SegmentHeader {
            base: last.end(),
            previous: tail.hash,
        };
        end_in_new_segment(disk, dir, header)?
    } else {
        go_on(disk, last, &tail, &mut recovered)?
    };
    check_anchor(dir, disk, anchor, end, recovered)
}

/// A log without a segment: a new one, unless the head says that there was one.
fn start(
    dir: &Path,
    disk: &dyn Disk,
    anchor: Anchor,
    mut recovered: Recovered,
) -> Result<(End, Recovered)> {
    let header = match anchor {
        Anchor::At(head) if head.position > EMPTY => {
            recovered.damage = Some(format!("all {} bytes of the log are gone", head.position));
            SegmentHeader {
                base: head.position,
                previous: head.hash,
            }
        }
        Anchor::At(_) | Anchor::Missing | Anchor::Unreadable => SegmentHeader {
            base: 0,
            previous: [0; 32],
        },
    };
    Ok((end_in_new_segment(disk, dir, header)?, recovered))
}

fn go_on(disk: &dyn Disk, last: &Segment, tail: &Tail, recovered: &mut Recovered) -> Result<End> {
    let file = disk
        .open(&last.path)
        .map_err(StoreError::io("open", &last.path))?;
    let len = tail.end.saturating_sub(last.base);
    if tail.torn > 0 {
        file.cut(len).map_err(StoreError::io("cut", &last.path))?;
        recovered.torn = recovered.torn.saturating_add(tail.torn);
    }
    Ok(End {
        file,
        path: last.path.clone(),
        base: last.base,
        len,
        hash: tail.hash,
        last_note: NONE,
        notes: 0,
        leftover: false,
        suspect: false,
        full: Vec::new(),
        new_name: true,
    })
}

/// A log that ends before its head was cut. It goes on where the head says that it ended, so
/// that the gap can be seen for good.
fn check_anchor(
    dir: &Path,
    disk: &dyn Disk,
    anchor: Anchor,
    end: End,
    mut recovered: Recovered,
) -> Result<(End, Recovered)> {
    let damage = match anchor {
        Anchor::At(head) if head.position > end.position() => {
            let missing = head.position.saturating_sub(end.position());
            recovered.damage = Some(format!(
                "{missing} synced bytes at the end of the log are gone"
            ));
            let header = SegmentHeader {
                base: head.position,
                previous: head.hash,
            };
            return Ok((end_in_new_segment(disk, dir, header)?, recovered));
        }
        Anchor::At(_) => None,
        // Killed before the first head was written: there is nothing that could be cut.
        Anchor::Missing | Anchor::Unreadable if end.position() <= EMPTY => None,
        Anchor::Missing => Some("the head file is gone: a cut of the log would not show"),
        Anchor::Unreadable => Some("the head file is none: a cut of the log would not show"),
    };
    recovered.damage = recovered.damage.or(damage.map(ToOwned::to_owned));
    Ok((end, recovered))
}

fn tail(last: &Segment) -> Result<Tail> {
    let mut tail = Tail {
        end: last.base,
        hash: [0; 32],
        torn: 0,
        broken: None,
    };
    let _ = walk_segment(last, 0, u64::MAX, &mut |met| {
        match met {
            Met::Segment(_, Ok(header)) => {
                tail.hash = header.seed();
                tail.end = last.base.saturating_add(EMPTY);
            }
            Met::Segment(_, Err(what)) => {
                tail.broken = Some(what);
                return Ok(ControlFlow::Break(()));
            }
            Met::Frame {
                position, frame, ..
            } => {
                tail.hash = *frame.hash;
                tail.end = position.saturating_add(frame.header.frame_len() as u64);
            }
            Met::Broken { what, .. } => tail.broken = Some(what),
            Met::Torn { bytes, .. } => tail.torn = bytes,
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(tail)
}

/// The path of the damaged index is kept beside the new one.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let stamp = jiff::Timestamp::now().as_millisecond();
    path.with_extension(format!("damaged-{stamp}"))
}
