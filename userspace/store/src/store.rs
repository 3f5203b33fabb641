//! The log with its index, as the daemon holds it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use sluice_flow::ports::{RecordError, Recorder, SessionFilter, SessionLog, Sessions, Synced};
use sluice_flow::session::Outcome;
use sluice_flow::{Event, EventKind, ExecId, JobId, SessionId, SessionSummary};

use crate::appender::{Appender, Placed, Stream};
use crate::batch::Batch;
use crate::error::{Result, StoreError};
use crate::filter::Filter;
use crate::frame::{Kind, NONE};
use crate::head::Head;
use crate::indexing::{IndexThread, Indexing, Rebuilt};
use crate::live::{Folded, Live, LiveSessions};
use crate::lock::WriterLock;
use crate::note::{Note, NoteRecord, PolicyInForce};
use crate::options::{Options, Usage};
use crate::read::{self, newest};
use crate::recording::{Recording, with_batch};
use crate::recovery::{self, Recovered};
use crate::replay::{events_from, notes_from, policies_at, policy_at, tail};
use crate::segment;
use crate::sync::{self, SyncState, SyncThread};
use crate::transcript::fold_answers;

/// The session log, open for writing. Clones are the same log; it is closed with the last of
/// them and of the session logs that it gave out.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Fields are dropped in their order: the index first, then the last sync, then the lock.
pub(crate) struct Inner {
    _index_thread: IndexThread,
    _sync_thread: SyncThread,
    pub(crate) indexing: Arc<Indexing>,
    pub(crate) appender: Arc<Appender>,
    pub(crate) sync: Arc<SyncState>,
    failing: AtomicBool,
    failures: AtomicU64,
    recovered: Recovered,
    aborted: u64,
    _lock: WriterLock,
}

impl Store {
    /// Opens the log in `dir`, which is made where it does not exist, for this process alone.
    ///
    /// What a crash left is put right: half a record at the end is cut off, sessions that
    /// were open are closed as aborted, the index catches up or is made anew. Damage is left
    /// where it is, noted in the log, and written behind.
    ///
    /// # Errors
    /// When another process has it, or the disk does not do what is asked.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        make_dir(dir)?;
        let lock = WriterLock::take(dir)?;
        let (end, recovered) = recovery::find_end(dir, &*options.disk)?;
        warn_of(dir, &recovered);
        let synced = Arc::new(SyncState::synced_to(0));
        let bytes = options.segment_bytes;
        let appender = Arc::new(Appender::new(options.disk, dir.to_owned(), bytes, end));
        let live = Arc::new(LiveSessions::default());
        let path = dir.join(read::INDEX);
        let (indexing, replayed) = Indexing::open(Arc::clone(&appender), live, path)?;
        let mut end = appender.end();
        (end.last_note, end.notes) = (replayed.last_note, replayed.notes);
        drop(end);
        let indexing = Arc::new(indexing);
        // From the first record on there is a head that tells of a cut.
        sync::sync(&appender, &synced);
        let inner = Inner {
            _index_thread: IndexThread::start(Arc::clone(&indexing))?,
            _sync_thread: SyncThread::start(
                Arc::clone(&appender),
                Arc::clone(&synced),
                options.sync_interval / 2,
            )?,
            indexing,
            appender,
            sync: synced,
            failing: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            aborted: replayed.open.len() as u64,
            recovered,
            _lock: lock,
        };
        inner.after_a_crash(replayed.open)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Writes a note. Gives its position.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn note(&self, note: Note) -> Result<u64> {
        self.inner.note(note)
    }

    /// The newest notes, at most `most`, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn notes(&self, most: usize) -> Result<Vec<NoteRecord>> {
        let last = self.inner.appender.end().last_note;
        notes_from(&segment::list(self.inner.appender.dir())?, last, most)
    }

    /// The text of a policy that was in force once, by its digest.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn policy_text(&self, digest: &str) -> Result<Option<String>> {
        let dir = self.inner.appender.dir();
        match self.inner.indexing.with(|index| index.policy(digest))? {
            Some(Some(position)) => policy_at(&segment::list(dir)?, position),
            Some(None) => Ok(None),
            None => read::policy_text(dir, digest),
        }
    }

    /// The policies that were in force for a job at a moment: the host's, and those that came
    /// with it. `None` where the log does not tell (any more).
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn policies_at(&self, job: JobId, at: Timestamp) -> Result<Option<Vec<PolicyInForce>>> {
        let last = self.inner.appender.end().last_note;
        policies_at(&segment::list(self.inner.appender.dir())?, last, job, at)
    }

    /// Sessions of an exec and of all that descend from it, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn sessions_of_exec(&self, exec: &ExecId) -> Result<Vec<SessionSummary>> {
        let live = self.inner.indexing.live.all();
        let indexed = self.inner.indexing.with(|index| {
            let ids = index.of_exec(exec)?;
            let found = ids.into_iter().map(|id| index.find(id));
            found
                .filter_map(|found| Some(found.transpose()?.map(|(summary, _)| summary)))
                .collect()
        })?;
        let indexed: Vec<SessionSummary> = match indexed {
            Some(indexed) => indexed,
            None => read::fold(self.inner.appender.dir(), self.inner.appender.appended())?,
        };
        let mut found: Vec<_> = live.into_iter().chain(indexed).collect();
        found.retain(|session| session.lineage.iter().any(|link| link.id == *exec));
        Ok(newest(found, None))
    }

    /// Makes the index anew from the log; sessions go on meanwhile.
    ///
    /// # Errors
    /// When the log cannot be read, or the index cannot be written.
    pub fn rebuild_index(&self) -> Result<Rebuilt> {
        self.inner.indexing.rebuild()
    }

    /// Where the log ends at present, for keeping elsewhere.
    #[must_use]
    pub fn head(&self) -> Head {
        let end = self.inner.appender.end();
        Head {
            position: end.position(),
            hash: end.hash,
        }
    }

    /// Ends when all that was appended so far is on disk.
    #[must_use]
    pub fn synced(&self) -> Synced {
        self.inner.synced(self.inner.appender.appended())
    }

    /// What the log takes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn usage(&self) -> Result<Usage> {
        read::usage(self.inner.appender.dir())
    }

    /// Counters by name, for `sluice status`.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        self.inner.counters()
    }
}

fn make_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(dir);
    made.map_err(StoreError::io("create", dir))
}

fn warn_of(dir: &Path, recovered: &Recovered) {
    let dir = dir.display();
    if recovered.torn > 0 {
        let bytes = recovered.torn;
        tracing::warn!(%dir, bytes, "the last record was not written whole and is cut off");
    }
    if let Some(damage) = &recovered.damage {
        tracing::error!(%dir, %damage, "the log is damaged; it goes on behind the damage");
    }
}

impl Inner {
    /// Closes what a crash left open, and notes damage.
    fn after_a_crash(&self, open: Vec<Folded>) -> Result<()> {
        if let Some(detail) = self.recovered.damage.clone() {
            self.note(Note::Damaged { detail })?;
        }
        let mut closed = Vec::new();
        for mut folded in open {
            let event = Event {
                session: folded.summary.id,
                seq: folded.next,
                at: Timestamp::now(),
                kind: EventKind::Closed {
                    outcome: Outcome::Aborted,
                    bytes_up: 0,
                    bytes_down: 0,
                },
            };
            let placed = with_batch(|batch| {
                batch.push(Kind::Event, event.session, event.seq, &event)?;
                self.append(batch, Stream::Session(folded.last))
            })?;
            folded.take(&event, placed.last);
            closed.push(folded);
        }
        self.indexing.with(|index| index.put(&closed))?;
        self.indexing.take_in();
        Ok(())
    }

    pub(crate) fn append(&self, batch: &mut Batch, stream: Stream) -> Result<Placed> {
        let placed = self.appender.append(batch, stream)?;
        self.sync.appended();
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the log is written again");
        }
        Ok(placed)
    }

    /// Counts a failed append; the first of a row is told.
    pub(crate) fn failed(&self, error: &StoreError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "sessions end rather than go on unrecorded");
        }
    }

    pub(crate) fn synced(&self, position: u64) -> Synced {
        self.sync.wait_for(position)
    }

    pub(crate) fn open_session(&self, first: &Event) -> Arc<Live> {
        self.indexing.live.open(first, || self.appender.appended())
    }

    pub(crate) fn forget_session(&self, id: SessionId) {
        self.indexing.live.forget(id);
    }

    pub(crate) fn session_closed(&self, live: Arc<Live>) {
        self.indexing.closed(live);
    }

    pub(crate) fn note(&self, note: Note) -> Result<u64> {
        let record = NoteRecord {
            at: Timestamp::now(),
            note,
        };
        let nobody = SessionId(uuid::Uuid::nil());
        let placed = with_batch(|batch| {
            batch.push(Kind::Note, nobody, 0, &record)?;
            self.append(batch, Stream::Notes)
        })?;
        if let Note::Policy { digest, .. } = &record.note {
            self.indexing
                .with(|index| index.put_policy(digest, placed.first))?;
        }
        Ok(placed.first)
    }

    fn counters(&self) -> Vec<(String, u64)> {
        [
            ("log_bytes", self.appender.appended()),
            ("log_torn_bytes_cut", self.recovered.torn),
            (
                "log_damage_found",
                u64::from(self.recovered.damage.is_some()),
            ),
            ("log_sessions_aborted_by_crash", self.aborted),
            ("log_appends_failed", self.failures.load(Ordering::Relaxed)),
            (
                "log_syncs_failed",
                self.sync.failures.load(Ordering::Relaxed),
            ),
            ("log_sessions_not_indexed", self.indexing.live.len() as u64),
            (
                "index_rebuilt",
                self.indexing.rebuilt.load(Ordering::Relaxed),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn last_record(&self, id: SessionId) -> Result<u64> {
        if let Some(folded) = self.indexing.live.find(id) {
            return Ok(folded.last);
        }
        match self.indexing.with(|index| index.find(id))? {
            Some(found) => Ok(found.map_or(NONE, |(_, last)| last)),
            None => read::last_record(self.appender.dir(), self.appender.appended(), id),
        }
    }

    fn list(&self, asked: &SessionFilter) -> Result<Vec<SessionSummary>> {
        let filter = Filter::new(asked)?;
        // Those that are not in the index first: one that gets there meanwhile is in both.
        let mut found = self.indexing.live.all();
        match self.indexing.with(|index| index.list(asked, &filter))? {
            Some(indexed) => found.extend(indexed),
            None => found.extend(read::fold(self.appender.dir(), self.appender.appended())?),
        }
        found.retain(|session| filter.matches(session));
        Ok(newest(found, asked.limit))
    }
}

impl Recorder for Store {
    fn session(&self) -> Result<Box<dyn SessionLog>, RecordError> {
        Ok(Box::new(Recording::new(Arc::clone(&self.inner))))
    }
}

impl Sessions for Store {
    fn list(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>, RecordError> {
        Ok(self.inner.list(filter)?)
    }

    fn events(&self, session: SessionId) -> Result<Vec<Event>, RecordError> {
        let last = self.inner.last_record(session)?;
        let segments = segment::list(self.inner.appender.dir())?;
        Ok(fold_answers(events_from(&segments, session, last)?))
    }

    fn tail(&self, position: u64, most: usize) -> Result<(Vec<Event>, u64), RecordError> {
        let appended = self.inner.appender.appended();
        Ok(tail(self.inner.appender.dir(), position, appended, most)?)
    }
}

/// The directory of the log, for messages.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dir: PathBuf = self.inner.appender.dir().to_owned();
        f.debug_struct("Store")
            .field("dir", &dir)
            .finish_non_exhaustive()
    }
}
