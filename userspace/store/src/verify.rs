//! Judging a log: whether every record is the one that was written, and all of them are there.
//!
//! Found: a changed byte anywhere, a record or segment that was removed, moved, replaced or
//! put in, a gap in a session, an end that was cut off after it was synced. Not found: a cut
//! of the last moments before a crash that no sync covered, and the work of somebody who can
//! write all files and makes every hash and the head file anew. A copy of the head that is
//! kept elsewhere (the daemon's journal) shows the latter: pass it to [`verify_against`].

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice_flow::{Event, SessionId};

use crate::error::{Result, StoreError};
use crate::frame::{Broken, Frame, Hash, Kind, NONE, SEGMENT_HEADER, SegmentHeader};
use crate::head::{self, Anchor, Head};
use crate::live::ends;
use crate::note::NoteRecord;
use crate::replay::parse;
use crate::segment::{self, Flow, Met, Segment};

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not what was written.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// Between the segment before it and this one something is missing.
    #[error(
        "the log has nothing between position {from} and this segment, which says it is at {to}"
    )]
    Gap {
        /// Where the log was expected to go on.
        from: u64,
        /// Where this segment goes on.
        to: u64,
    },
    /// The segment was not written behind the one before it, or under another name.
    #[error("this is not the segment that was written here")]
    Segment,
    /// A segment that others follow ends in the middle of a record.
    #[error("the segment ends in the middle of a record, and others follow it")]
    Torn,
    /// Events of a session are missing, or there are some too many.
    #[error("session {session}: expected its event {expected}, found {found}")]
    Sequence {
        /// The session.
        session: SessionId,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A note is missing, or there is one too many.
    #[error("expected note {expected}, found {found}")]
    Note {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A record does not point to the one before it in its session.
    #[error("the record points to another one than the one before it in its session")]
    Back,
    /// A record's content is none.
    #[error("the record cannot be read: {0}")]
    Payload(String),
    /// Synced records at the end are gone.
    #[error("the log was cut: {missing} bytes that were synced are gone")]
    Cut {
        /// How many bytes.
        missing: u64,
    },
    /// The log is another one than the head tells of.
    #[error("the log has another record here than the head file tells of")]
    Head,
    /// The head file is gone.
    #[error("the head file is gone or is none: a cut of the end would not show")]
    NoHead,
}

/// The first bad place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The segment, or the head file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong; for programs by its sentence.
    #[serde(serialize_with = "as_text")]
    pub what: Fault,
}

fn as_text<S: serde::Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fault)
}

/// What [`verify`] found. The counts are of what stands before the first bad place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Segments.
    pub segments: u64,
    /// Records.
    pub frames: u64,
    /// Sessions.
    pub sessions: u64,
    /// Notes.
    pub notes: u64,
    /// Position behind the last good record.
    pub bytes: u64,
    /// Bytes of a last record that is being written, or was when the process died. The next
    /// start cuts them off; nobody was told that they were written.
    pub unfinished: u64,
    /// The first bad place.
    pub bad: Option<Bad>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bad.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segments,
            frames,
            sessions,
            bytes,
            ..
        } = self;
        let good = format!(
            "{frames} records of {sessions} sessions in {segments} segments, {bytes} bytes"
        );
        match &self.bad {
            None => write!(f, "whole: {good}, the hash chain holds")?,
            Some(bad) => write!(
                f,
                "DAMAGED: {}, byte {}: {}\nbefore it: {good}, as they were written",
                bad.file.display(),
                bad.offset,
                bad.what
            )?,
        }
        if self.unfinished > 0 {
            write!(
                f,
                "\n{} bytes of an unfinished record at the end",
                self.unfinished
            )?;
        }
        Ok(())
    }
}

/// Judges the log in `dir`; also one that is being written. Memory grows with the sessions
/// that are open at a time, not with the log.
///
/// # Errors
/// When there is no log, or it cannot be read. Damage is no error but what the report tells.
pub fn verify(dir: &Path) -> Result<Report> {
    // Before the log is read: what is appended meanwhile is behind it.
    let anchor = head::read(dir)?;
    judge(dir, anchor)
}

/// Judges the log against a head that was kept elsewhere instead of the head file.
///
/// # Errors
/// As [`verify`].
pub fn verify_against(dir: &Path, head: Head) -> Result<Report> {
    judge(dir, Anchor::At(head))
}

fn judge(dir: &Path, anchor: Anchor) -> Result<Report> {
    let segments = segment::list(dir)?;
    if segments.is_empty() && anchor == Anchor::Missing {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(StoreError::io("find a session log in", dir)(missing));
    }
    let mut judge = Judge::new(&anchor);
    for (at, segment) in segments.iter().enumerate() {
        judge.segment(segment, at + 1 == segments.len())?;
        if judge.report.bad.is_some() {
            return Ok(judge.report);
        }
    }
    judge.end(dir, &anchor);
    Ok(judge.report)
}

/// What is known of a session that is not closed.
struct Next {
    seq: u64,
    last: u64,
}

struct Judge {
    report: Report,
    open: HashMap<SessionId, Next>,
    last_note: u64,
    hash: Hash,
    head: Option<Head>,
}

impl Judge {
    fn new(anchor: &Anchor) -> Self {
        Self {
            report: Report {
                segments: 0,
                frames: 0,
                sessions: 0,
                notes: 0,
                bytes: 0,
                unfinished: 0,
                bad: None,
            },
            open: HashMap::new(),
            last_note: NONE,
            hash: [0; 32],
            head: match anchor {
                Anchor::At(head) => Some(*head),
                Anchor::Missing | Anchor::Unreadable => None,
            },
        }
    }

    fn segment(&mut self, segment: &Segment, last: bool) -> Result<()> {
        let _ = segment::walk_segment(segment, 0, u64::MAX, &mut |met| {
            let (offset, judged) = self.meet(segment, met, last);
            match judged {
                Ok(()) => Flow::Ok(ControlFlow::Continue(())),
                Err(what) => {
                    self.report.bad = Some(Bad {
                        file: segment.path.clone(),
                        offset,
                        what,
                    });
                    Ok(ControlFlow::Break(()))
                }
            }
        })?;
        Ok(())
    }

    fn meet(&mut self, segment: &Segment, met: Met<'_>, last: bool) -> (u64, Result<(), Fault>) {
        let at = |position: u64| position.saturating_sub(segment.base);
        match met {
            Met::Segment(_, Err(what)) => (0, Err(what.into())),
            Met::Segment(segment, Ok(header)) => (0, self.start(segment, &header)),
            Met::Frame {
                position,
                frame,
                intact,
            } => (at(position), self.frame(position, &frame, intact)),
            Met::Broken { position, what } => (at(position), Err(what.into())),
            Met::Torn { bytes } => {
                let whole = if last { Ok(()) } else { Err(Fault::Torn) };
                self.report.unfinished = bytes;
                (at(self.report.bytes), whole)
            }
        }
    }

    fn start(&mut self, segment: &Segment, header: &SegmentHeader) -> Result<(), Fault> {
        let from = self.report.bytes;
        if segment.base != from {
            let to = segment.base;
            return Err(Fault::Gap { from, to });
        }
        if header.base != segment.base || header.previous != self.hash {
            return Err(Fault::Segment);
        }
        self.report.segments += 1;
        self.hash = header.seed();
        self.reach(from.saturating_add(SEGMENT_HEADER as u64))
    }

    fn frame(&mut self, position: u64, frame: &Frame<'_>, intact: bool) -> Result<(), Fault> {
        if !intact {
            return Err(Broken::Chain.into());
        }
        match frame.header.kind {
            Kind::Event => self.event(position, frame)?,
            Kind::Note => self.note(position, frame)?,
        }
        self.hash = *frame.hash;
        self.reach(position.saturating_add(frame.header.frame_len() as u64))?;
        self.report.frames += 1;
        Ok(())
    }

    fn event(&mut self, position: u64, frame: &Frame<'_>) -> Result<(), Fault> {
        let event: Event = read(position, frame)?;
        let header = frame.header;
        if (event.session, event.seq) != (header.session, header.seq) {
            return Err(Broken::HeaderField.into());
        }
        let next = self
            .open
            .entry(event.session)
            .or_insert(Next { seq: 0, last: NONE });
        if next.seq != event.seq {
            return Err(Fault::Sequence {
                session: event.session,
                expected: next.seq,
                found: event.seq,
            });
        }
        if next.last != header.back {
            return Err(Fault::Back);
        }
        self.report.sessions += u64::from(event.seq == 0);
        next.seq = next.seq.saturating_add(1);
        next.last = position;
        if ends(&event.kind) {
            self.open.remove(&event.session);
        }
        Ok(())
    }

    fn note(&mut self, position: u64, frame: &Frame<'_>) -> Result<(), Fault> {
        let _: NoteRecord = read(position, frame)?;
        let (expected, found) = (self.report.notes, frame.header.seq);
        if expected != found {
            return Err(Fault::Note { expected, found });
        }
        if self.last_note != frame.header.back {
            return Err(Fault::Back);
        }
        self.last_note = position;
        self.report.notes += 1;
        Ok(())
    }

    /// The log is good up to here; the head must agree when its place is passed.
    fn reach(&mut self, position: u64) -> Result<(), Fault> {
        let before = self.report.bytes;
        match self.head {
            Some(head) if head.position == position && head.hash != self.hash => Err(Fault::Head),
            Some(head) if before < head.position && head.position < position => Err(Fault::Head),
            Some(_) | None => {
                self.report.bytes = position;
                Ok(())
            }
        }
    }

    fn end(&mut self, dir: &Path, anchor: &Anchor) {
        let end = self.report.bytes;
        let what = match anchor {
            Anchor::At(head) if head.position > end => Fault::Cut {
                missing: head.position.saturating_sub(end),
            },
            Anchor::At(_) => return,
            Anchor::Missing | Anchor::Unreadable if self.report.frames == 0 => return,
            Anchor::Missing | Anchor::Unreadable => Fault::NoHead,
        };
        self.report.bad = Some(Bad {
            file: dir.join(head::FILE),
            offset: 0,
            what,
        });
    }
}

fn read<T: serde::de::DeserializeOwned>(position: u64, frame: &Frame<'_>) -> Result<T, Fault> {
    parse(position, frame).map_err(|error| match error {
        StoreError::Payload { why, .. } => Fault::Payload(why),
        other => Fault::Payload(other.to_string()),
    })
}
