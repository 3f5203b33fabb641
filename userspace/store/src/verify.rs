//! Judging a log: whether every record is the one that was written, and all of them are there.
//!
//! Found: a changed byte anywhere, a record or segment that was removed, moved, replaced or
//! put in, a gap in a session, an end that was cut off after it was synced. Not found: a cut
//! of the last moments before a crash that no sync covered, and the work of somebody who can
//! write all files and makes every hash and the head file anew. A copy of the head that is
//! kept elsewhere (the daemon's journal) shows the latter: pass it to [`verify_against`].

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sluice_flow::{Event, SessionId};

use crate::error::{Result, StoreError};
use crate::frame::{Broken, Frame, Hash, Kind, NONE, SEGMENT_HEADER, SegmentHeader};
use crate::head::{self, Anchor, Head};
use crate::live::ends;
use crate::note::{Note, NoteRecord};
use crate::replay::parse;
use crate::report::{Bad, Fault, Report};
use crate::segment::{self, Flow, Met, Segment};

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
    Ok(judge.beginning())
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
    next_note: u64,
    start: Option<Start>,
    hash: Hash,
    head: Option<Head>,
}

/// Where a log begins of which the beginning went.
struct Start {
    segment: PathBuf,
    position: u64,
    /// The last record that went, as the first segment names it.
    hash: Hash,
    /// Whether the log tells of it.
    told: bool,
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
                dropped: 0,
                unfinished: 0,
                bad: None,
            },
            open: HashMap::new(),
            last_note: NONE,
            next_note: 0,
            start: None,
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
        if self.report.segments == 0 && segment.base > 0 {
            self.start = Some(Start {
                segment: segment.path.clone(),
                position: segment.base,
                hash: header.previous,
                told: false,
            });
            (self.report.bytes, self.hash) = (segment.base, header.previous);
        }
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
        let began_before = self.before_start(header.back);
        let next = self.open.entry(event.session).or_insert(Next {
            seq: if began_before { event.seq } else { 0 },
            last: if began_before { header.back } else { NONE },
        });
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
        self.report.sessions += u64::from(event.seq == 0 || began_before);
        next.seq = next.seq.saturating_add(1);
        next.last = position;
        if ends(&event.kind) {
            self.open.remove(&event.session);
        }
        Ok(())
    }

    fn note(&mut self, position: u64, frame: &Frame<'_>) -> Result<(), Fault> {
        let record: NoteRecord = read(position, frame)?;
        if self.last_note == NONE && self.before_start(frame.header.back) {
            (self.next_note, self.last_note) = (frame.header.seq, frame.header.back);
        }
        let (expected, found) = (self.next_note, frame.header.seq);
        if expected != found {
            return Err(Fault::Note { expected, found });
        }
        if self.last_note != frame.header.back {
            return Err(Fault::Back);
        }
        self.last_note = position;
        self.next_note = found.saturating_add(1);
        self.report.notes += 1;
        if let (Note::Dropped { through, hash, .. }, Some(start)) = (record.note, &mut self.start) {
            let is_this = through == start.position
                && blake3::Hash::from_hex(hash).is_ok_and(|hash| hash == start.hash);
            start.told |= is_this;
        }
        Ok(())
    }

    /// Whether a record stood where the log does not reach any more.
    fn before_start(&self, position: u64) -> bool {
        let start = self.start.as_ref();
        position != NONE && start.is_some_and(|start| position < start.position)
    }

    /// A beginning that is gone is good where the log tells of it, else a gap.
    fn beginning(mut self) -> Report {
        match self.start {
            Some(start) if start.told => self.report.dropped = start.position,
            Some(start) => {
                self.report = Report {
                    bad: Some(Bad {
                        file: start.segment,
                        offset: 0,
                        what: Fault::Gap {
                            from: 0,
                            to: start.position,
                        },
                    }),
                    ..Self::new(&Anchor::Missing).report
                }
            }
            None => {}
        }
        self.report
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
