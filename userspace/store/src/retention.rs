//! Retention: the oldest segment goes when nothing in it must be kept any longer.
//!
//! Segments go whole, and only from the log's start. Before one goes, a note that says so is on
//! disk, with the hash that the chain goes on from, so that a log that was shortened is told
//! apart from one that somebody has cut.

use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use sluice_flow::{SessionId, SessionSummary};

use crate::error::{Result, StoreError};
use crate::frame::{Hash, Kind, NONE};
use crate::note::Note;
use crate::segment::{self, Met, Segment};
use crate::store::{Inner, Store};
use crate::sync;

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Segments.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Sessions of which something went.
    pub sessions: u64,
}

impl Store {
    /// Removes the segments, from the oldest on, of which no session must be kept at `now`: all
    /// have ended, and for as long ago as their job's policies said. A session that is kept for
    /// good holds its segment, and those behind it. What holds nothing (notes, sessions that no
    /// job made) goes with what stands behind it.
    ///
    /// Texts of policies go too: note again what is in force, where anything went.
    ///
    /// # Errors
    /// When the log cannot be read or written; then what did not go stays whole.
    pub fn drop_expired(&self, now: Timestamp) -> Result<Dropped> {
        let mut dropped = Dropped::default();
        for going in self.inner.expired(now)? {
            self.inner.drop_segment(&going)?;
            dropped.segments += 1;
            dropped.bytes = dropped.bytes.saturating_add(going.segment.len);
            dropped.sessions = dropped.sessions.saturating_add(going.sessions.len() as u64);
        }
        Ok(dropped)
    }
}

/// A segment, and what is in it.
struct Content {
    segment: Segment,
    /// Position behind it.
    next: u64,
    /// Sessions, in the order of their first record in it, and whether they began in it.
    sessions: Vec<(SessionId, bool)>,
    /// Hash of its last record; `None` where it is not whole.
    hash: Option<Hash>,
}

/// How long a segment is kept.
enum Kept {
    /// Something in it must be.
    Still,
    /// Nothing in it must be.
    NoLonger,
    /// Nothing in it asks to be kept, or to go.
    Indifferent,
}

impl Inner {
    /// The segments that go, from the oldest on.
    fn expired(&self, now: Timestamp) -> Result<Vec<Content>> {
        // Sessions that ended a moment ago are in the index after this.
        self.indexing.take_in();
        let segments = segment::list(self.appender.dir())?;
        let (mut going, mut undecided) = (Vec::new(), Vec::new());
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let content = read(segment, next.base)?;
            match self.kept(&content, now)? {
                Kept::Still => break,
                Kept::Indifferent => undecided.push(content),
                Kept::NoLonger => {
                    going.append(&mut undecided);
                    going.push(content);
                }
            }
        }
        Ok(going)
    }

    fn kept(&self, content: &Content, now: Timestamp) -> Result<Kept> {
        if content.hash.is_none() {
            let segment = content.segment.path.display();
            tracing::warn!(%segment, "a damaged segment is kept, and all behind it");
            return Ok(Kept::Still);
        }
        let mut kept = Kept::Indifferent;
        // The newest is looked at first: where anything is kept, that is.
        for (id, began_here) in content.sessions.iter().rev() {
            if self.indexing.live.contains(*id) {
                return Ok(Kept::Still);
            }
            // Where its beginning went already, it was over then.
            let found = match began_here {
                true => self.indexing.with(|index| index.find(*id))?.flatten(),
                false => continue,
            };
            match found {
                Some((summary, _)) if summary.job.is_none() => {}
                Some((summary, _)) if is_expired(&summary, now) => kept = Kept::NoLonger,
                // Without the index nothing is known of it.
                Some(_) | None => return Ok(Kept::Still),
            }
        }
        Ok(kept)
    }

    fn drop_segment(&self, going: &Content) -> Result<()> {
        let hash = going.hash.unwrap_or_default();
        self.note(Note::Dropped {
            through: going.next,
            hash: blake3::Hash::from_bytes(hash).to_hex().to_string(),
            bytes: going.segment.len,
            sessions: going.sessions.len() as u64,
        })?;
        self.sync_now()?;
        let ids: Vec<SessionId> = going.sessions.iter().map(|(id, _)| *id).collect();
        self.indexing.with(|index| index.forget(&ids, going.next))?;
        let path = &going.segment.path;
        std::fs::remove_file(path).map_err(StoreError::io("remove", path))?;
        let dir = self.appender.dir();
        let synced = self.appender.disk().sync_dir(dir);
        synced.map_err(StoreError::io("sync", dir))
    }

    fn sync_now(&self) -> Result<()> {
        let position = self.appender.appended();
        sync::sync(&self.appender, &self.sync);
        if self.sync.is_synced(position) {
            return Ok(());
        }
        let failed = std::io::Error::other("a sync failed; what is to go stays");
        Err(StoreError::io("sync", self.appender.dir())(failed))
    }
}

fn is_expired(session: &SessionSummary, now: Timestamp) -> bool {
    let (Some(closed), Some(keep)) = (session.closed, session.keep) else {
        return false;
    };
    let keep = SignedDuration::from_secs(i64::try_from(keep).unwrap_or(i64::MAX));
    closed.checked_add(keep).is_ok_and(|until| until <= now)
}

fn read(segment: &Segment, next: u64) -> Result<Content> {
    let mut content = Content {
        segment: segment.clone(),
        next,
        sessions: Vec::new(),
        hash: None,
    };
    let (mut seen, mut whole) = (HashSet::new(), true);
    let _ = segment::walk_segment(segment, 0, u64::MAX, &mut |met| {
        match met {
            Met::Segment(_, Ok(header)) => content.hash = Some(header.seed()),
            Met::Frame { frame, intact, .. } => {
                whole &= intact;
                content.hash = Some(*frame.hash);
                let header = frame.header;
                if header.kind == Kind::Event && seen.insert(header.session) {
                    let began_here = header.back == NONE;
                    content.sessions.push((header.session, began_here));
                }
            }
            Met::Segment(_, Err(_)) | Met::Broken { .. } | Met::Torn { .. } => whole = false,
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !whole {
        content.hash = None;
    }
    Ok(content)
}
