//! Reading the log without its index: where no daemon runs, and where the index is gone.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sluice_flow::ports::{RecordError, SessionFilter, Sessions};
use sluice_flow::{Event, ExecId, JobId, SessionId, SessionSummary};

use crate::error::{Result, StoreError};
use crate::filter::Filter;
use crate::frame::{Kind, NONE};
use crate::live::Folded;
use crate::note::{Note, NoteRecord, PolicyInForce};
use crate::options::Usage;
use crate::replay::{Found, events_from, notes_from, policies_at, replay, tail};
use crate::segment::{self, Met};
use crate::store::Store;
use crate::transcript::fold_answers;

/// The index's directory.
pub(crate) const INDEX: &str = "index";

impl Store {
    /// Reads the log in `dir` without a lock and without its index, also while a daemon
    /// writes it: everything is as it was at one moment, half-written records left out.
    ///
    /// # Errors
    /// When there is no log.
    pub fn open_read(dir: &Path) -> Result<LogReader> {
        if segment::list(dir)?.is_empty() {
            let missing = std::io::ErrorKind::NotFound.into();
            return Err(StoreError::io("find a session log in", dir)(missing));
        }
        Ok(LogReader {
            dir: dir.to_owned(),
        })
    }
}

/// Reads a log; see [`Store::open_read`]. Costs a pass over the log a question.
#[derive(Debug, Clone)]
pub struct LogReader {
    dir: PathBuf,
}

impl LogReader {
    /// The newest notes, at most `most`, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn notes(&self, most: usize) -> Result<Vec<NoteRecord>> {
        let last = last_where(&self.dir, u64::MAX, |kind, _| kind == Kind::Note)?;
        notes_from(&segment::list(&self.dir)?, last, most)
    }

    /// The text of a policy that was in force once, by its digest.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn policy_text(&self, digest: &str) -> Result<Option<String>> {
        policy_text(&self.dir, digest)
    }

    /// The policies that were in force for a job at a moment: the host's, and those that came
    /// with it. `None` where the log does not tell (any more).
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn policies_at(&self, job: JobId, at: Timestamp) -> Result<Option<Vec<PolicyInForce>>> {
        let last = last_where(&self.dir, u64::MAX, |kind, _| kind == Kind::Note)?;
        policies_at(&segment::list(&self.dir)?, last, job, at)
    }

    /// Sessions of an exec and of all that descend from it, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn sessions_of_exec(&self, exec: &ExecId) -> Result<Vec<SessionSummary>> {
        let mut found = fold(&self.dir, u64::MAX)?;
        found.retain(|session| session.lineage.iter().any(|link| link.id == *exec));
        Ok(newest(found, None))
    }

    /// What the log takes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        usage(&self.dir)
    }
}

impl Sessions for LogReader {
    fn list(&self, asked: &SessionFilter) -> Result<Vec<SessionSummary>, RecordError> {
        let filter = Filter::new(asked)?;
        let mut found = fold(&self.dir, u64::MAX)?;
        found.retain(|session| filter.matches(session));
        Ok(newest(found, asked.limit))
    }

    fn events(&self, session: SessionId) -> Result<Vec<Event>, RecordError> {
        let last = last_record(&self.dir, u64::MAX, session)?;
        let segments = segment::list(&self.dir)?;
        Ok(fold_answers(events_from(&segments, session, last)?))
    }

    fn tail(&self, position: u64, most: usize) -> Result<(Vec<Event>, u64), RecordError> {
        // The end is where whole records end, not where the file does.
        if position == u64::MAX {
            return Ok((Vec::new(), end(&self.dir)?));
        }
        Ok(tail(&self.dir, position, u64::MAX, most)?)
    }
}

/// All sessions of the log, up to a position.
pub(crate) fn fold(dir: &Path, until: u64) -> Result<Vec<SessionSummary>> {
    let mut all = All(Vec::new());
    let replayed = replay(dir, 0, until, &mut all)?;
    all.0
        .extend(replayed.open.into_iter().map(|folded| folded.summary));
    Ok(all.0)
}

struct All(Vec<SessionSummary>);

impl Found for All {
    fn session(&mut self, folded: Folded) -> Result<()> {
        self.0.push(folded.summary);
        Ok(())
    }

    fn note(&mut self, _: u64, _: NoteRecord) -> Result<()> {
        Ok(())
    }
}

/// Each session once, oldest first, the newest `limit` of them.
pub(crate) fn newest(found: Vec<SessionSummary>, limit: Option<usize>) -> Vec<SessionSummary> {
    let once: HashMap<SessionId, SessionSummary> = found
        .into_iter()
        .map(|session| (session.id, session))
        .collect();
    let mut sessions: Vec<_> = once.into_values().collect();
    sessions.sort_by_key(|session| (session.opened, session.id));
    let surplus = limit.map_or(0, |limit| sessions.len().saturating_sub(limit));
    sessions.drain(..surplus);
    sessions
}

/// Position of a session's last record.
pub(crate) fn last_record(dir: &Path, until: u64, session: SessionId) -> Result<u64> {
    last_where(dir, until, |kind, id| kind == Kind::Event && id == session)
}

fn last_where(dir: &Path, until: u64, wanted: impl Fn(Kind, SessionId) -> bool) -> Result<u64> {
    let mut last = NONE;
    segment::walk(dir, 0, until, &mut |met| {
        if let Met::Frame {
            position, frame, ..
        } = met
            && wanted(frame.header.kind, frame.header.session)
        {
            last = position;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last)
}

fn end(dir: &Path) -> Result<u64> {
    let segments = segment::list(dir)?;
    let Some(last) = segments.last() else {
        return Ok(0);
    };
    let mut end = last.base;
    let _ = segment::walk_segment(last, 0, u64::MAX, &mut |met| {
        if let Met::Frame {
            position, frame, ..
        } = met
        {
            end = position.saturating_add(frame.header.frame_len() as u64);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(end)
}

/// Looks for the note of a policy.
pub(crate) fn policy_text(dir: &Path, digest: &str) -> Result<Option<String>> {
    let mut policy = Policy { digest, text: None };
    replay(dir, 0, u64::MAX, &mut policy)?;
    Ok(policy.text)
}

struct Policy<'a> {
    digest: &'a str,
    text: Option<String>,
}

impl Found for Policy<'_> {
    fn session(&mut self, _: Folded) -> Result<()> {
        Ok(())
    }

    fn note(&mut self, _: u64, record: NoteRecord) -> Result<()> {
        if let Note::Policy { digest, text, .. } = record.note
            && digest == self.digest
        {
            self.text = Some(text);
        }
        Ok(())
    }
}

/// What the log in `dir` takes.
pub(crate) fn usage(dir: &Path) -> Result<Usage> {
    let segments = segment::list(dir)?;
    Ok(Usage {
        segments: segments.len(),
        log: segments.iter().map(|segment| segment.len).sum(),
        index: bytes_below(&dir.join(INDEX)),
    })
}

/// Bytes of the files in a directory; what cannot be looked at counts nothing.
fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok().map(|found| (entry.path(), found)))
        .map(|(path, found)| {
            if found.is_dir() {
                bytes_below(&path)
            } else {
                found.len()
            }
        })
        .sum()
}
