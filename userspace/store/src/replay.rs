//! Folding the log itself, where the index is behind or there is none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sluice_flow::{Event, JobId, SessionId};

use crate::error::{Result, StoreError};
use crate::frame::{Frame, Kind, NONE};
use crate::live::Folded;
use crate::note::{Note, NoteRecord, PolicyInForce};
use crate::segment::{self, Met, Places, Segment};

/// What a stretch of the log comes to.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Sessions that were not closed in it.
    pub(crate) open: Vec<Folded>,
    /// Position of the last note, and how many notes there are, counted from the log's start.
    pub(crate) last_note: u64,
    pub(crate) notes: u64,
    /// Records read.
    pub(crate) records: u64,
}

/// What is done with what a replay finds.
pub(crate) trait Found {
    /// A session that was closed.
    fn session(&mut self, folded: Folded) -> Result<()>;
    /// A note.
    fn note(&mut self, position: u64, note: NoteRecord) -> Result<()>;
}

/// Folds the log from `from` to `until`. Sessions that began before `from` are left out.
/// What cannot be read is left out too, with a warning: `verify` is what judges the log.
pub(crate) fn replay(dir: &Path, from: u64, until: u64, found: &mut dyn Found) -> Result<Replayed> {
    let mut replay = Replay {
        open: HashMap::new(),
        last_note: NONE,
        notes: 0,
        records: 0,
        found,
    };
    segment::walk(dir, from, until, &mut |met| {
        replay.meet(met)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Replayed {
        open: replay.open.into_values().collect(),
        last_note: replay.last_note,
        notes: replay.notes,
        records: replay.records,
    })
}

struct Replay<'a> {
    open: HashMap<SessionId, Folded>,
    last_note: u64,
    notes: u64,
    records: u64,
    found: &'a mut dyn Found,
}

impl Replay<'_> {
    fn meet(&mut self, met: Met<'_>) -> Result<()> {
        match met {
            Met::Frame {
                position,
                frame,
                intact,
            } => {
                if !intact {
                    tracing::warn!(position, "a record is not the one that was written there");
                }
                self.frame(position, &frame)?;
            }
            Met::Segment(segment, Err(what)) => {
                tracing::warn!(segment = %segment.path.display(), %what, "damaged segment");
            }
            Met::Broken { position, what } => {
                tracing::warn!(position, %what, "the rest of a segment cannot be read");
            }
            Met::Segment(_, Ok(_)) | Met::Torn { .. } => {}
        }
        Ok(())
    }

    fn frame(&mut self, position: u64, frame: &Frame<'_>) -> Result<()> {
        self.records = self.records.saturating_add(1);
        match frame.header.kind {
            Kind::Event => match parse::<Event>(position, frame) {
                Ok(event) => self.event(position, &event)?,
                Err(error) => tracing::warn!(%error, "a record is left out"),
            },
            Kind::Note => {
                self.last_note = position;
                self.notes = frame.header.seq.saturating_add(1);
                match parse::<NoteRecord>(position, frame) {
                    Ok(note) => self.found.note(position, note)?,
                    Err(error) => tracing::warn!(%error, "a note is left out"),
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, position: u64, event: &Event) -> Result<()> {
        let mut entry = match self.open.entry(event.session) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) if event.seq == 0 => {
                entry.insert_entry(Folded::starting_with(event))
            }
            // It began before the replay did: the index has it.
            Entry::Vacant(_) => return Ok(()),
        };
        entry.get_mut().take(event, position);
        if entry.get().is_closed() {
            let folded = entry.remove();
            self.found.session(folded)?;
        }
        Ok(())
    }
}

/// The record in a frame.
pub(crate) fn parse<T: DeserializeOwned>(position: u64, frame: &Frame<'_>) -> Result<T> {
    serde_json::from_slice(frame.payload).map_err(|error| StoreError::Payload {
        position,
        why: error.to_string(),
    })
}

/// The events of a session, found from its last one.
pub(crate) fn events_from(
    segments: &[Segment],
    session: SessionId,
    last: u64,
) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut places = Places::new(segments);
    let mut position = last;
    while position != NONE {
        let read = places.read(position, |frame| {
            let mine = frame.header.session == session && frame.header.kind == Kind::Event;
            (
                mine.then(|| parse::<Event>(position, frame)),
                frame.header.back,
            )
        })?;
        // Retention took the beginning, or this was no place of the session.
        let Some((Some(event), back)) = read else {
            break;
        };
        events.push(event?);
        // Records only ever point to earlier ones: whatever the bytes say, this ends.
        position = if back < position { back } else { NONE };
    }
    events.reverse();
    Ok(events)
}

/// The newest notes, oldest first.
pub(crate) fn notes_from(segments: &[Segment], last: u64, most: usize) -> Result<Vec<NoteRecord>> {
    let mut notes = Vec::new();
    if most > 0 {
        notes_back(segments, last, &mut |note| {
            notes.push(note);
            notes.len() < most
        })?;
    }
    notes.reverse();
    Ok(notes)
}

/// Goes through the notes from `last` on, the newest first, as long as `more` wants them.
fn notes_back(
    segments: &[Segment],
    last: u64,
    more: &mut dyn FnMut(NoteRecord) -> bool,
) -> Result<()> {
    let mut places = Places::new(segments);
    let mut position = last;
    while position != NONE {
        let read = places.read(position, |frame| {
            let note = frame.header.kind == Kind::Note;
            (
                note.then(|| parse::<NoteRecord>(position, frame)),
                frame.header.back,
            )
        })?;
        let Some((Some(note), back)) = read else {
            break;
        };
        if !more(note?) {
            break;
        }
        position = if back < position { back } else { NONE };
    }
    Ok(())
}

/// The policies that were in force for a job at a moment: the host's, and those that came with
/// it. `None` where the log does not tell (any more).
pub(crate) fn policies_at(
    segments: &[Segment],
    last: u64,
    job: JobId,
    at: Timestamp,
) -> Result<Option<Vec<PolicyInForce>>> {
    let (mut of_host, mut of_job) = (None, None);
    notes_back(segments, last, &mut |record| {
        if let (true, Note::InForce { job: of, policies }) = (record.at <= at, record.note) {
            let known = match of {
                None => &mut of_host,
                Some(of) if of == job => &mut of_job,
                Some(_) => return true,
            };
            known.get_or_insert(policies);
        }
        of_host.is_none() || of_job.is_none()
    })?;
    Ok(of_host.zip(of_job).map(|(host, job)| [host, job].concat()))
}

/// The text of a policy that is noted at `position`.
pub(crate) fn policy_at(segments: &[Segment], position: u64) -> Result<Option<String>> {
    let notes = notes_from(segments, position, 1)?;
    Ok(notes.into_iter().find_map(|record| match record.note {
        Note::Policy { text, .. } => Some(text),
        _ => None,
    }))
}

/// Events of all sessions from `position` on, at most `most`, and the position behind them.
pub(crate) fn tail(
    dir: &Path,
    position: u64,
    until: u64,
    most: usize,
) -> Result<(Vec<Event>, u64)> {
    let mut events = Vec::new();
    let mut behind = position.min(until);
    segment::walk(dir, position, until, &mut |met| {
        match met {
            _ if events.len() >= most => return Ok(ControlFlow::Break(())),
            Met::Frame {
                position, frame, ..
            } => {
                match frame.header.kind {
                    Kind::Event => match parse(position, &frame) {
                        Ok(event) => events.push(event),
                        Err(error) => tracing::warn!(%error, "a record is left out"),
                    },
                    Kind::Note => {}
                }
                behind = position.saturating_add(frame.header.frame_len() as u64);
            }
            Met::Broken { position: at, .. } if at == position && position != 0 => {
                return Err(StoreError::Position { position });
            }
            Met::Broken { position, what } => {
                tracing::warn!(position, %what, "the rest of a segment cannot be read");
            }
            Met::Segment(segment, _) => behind = behind.max(segment.base),
            Met::Torn { .. } => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((events, behind))
}
