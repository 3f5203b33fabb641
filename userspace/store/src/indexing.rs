//! Keeps the index behind the log: catches up when the log is opened, takes closed sessions in
//! while it is written, and makes it anew where it is damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::appender::Appender;
use crate::error::{Result, StoreError};
use crate::frame::NONE;
use crate::index::{Checkpoint, Index};
use crate::live::{Folded, Live, LiveSessions};
use crate::note::{Note, NoteRecord};
use crate::recovery::aside;
use crate::replay::{Found, Replayed, replay};
use crate::segment::{self, Places};

/// Closed sessions wait this long for others, so that the index takes them in in groups.
const LINGER: Duration = Duration::from_millis(100);
/// When so many wait, the one that closes a session does the work itself: memory stays flat.
pub(crate) const MOST_WAITING: usize = 8192;
/// How many sessions a replay writes at once.
const GROUP: usize = 512;

/// The index and what it takes in.
pub(crate) struct Indexing {
    appender: Arc<Appender>,
    pub(crate) live: Arc<LiveSessions>,
    path: PathBuf,
    /// `None` after it failed: the log is read instead.
    index: RwLock<Option<Index>>,
    /// One at a time takes closed sessions in.
    taking: Mutex<()>,
    pub(crate) rebuilt: AtomicU64,
}

/// What `sluice store rebuild` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Records read.
    pub records: u64,
    /// Closed sessions that are in the index.
    pub sessions: u64,
}

impl Indexing {
    /// Opens the index and takes in what the log has more. An index that is damaged, or not
    /// this log's, is moved aside. Gives what the log's end needs to know.
    pub(crate) fn open(
        appender: Arc<Appender>,
        live: Arc<LiveSessions>,
        path: PathBuf,
    ) -> Result<(Self, Replayed)> {
        let indexing = Self {
            appender,
            live,
            path,
            index: RwLock::new(None),
            taking: Mutex::new(()),
            rebuilt: AtomicU64::new(0),
        };
        let opened = Index::open(&indexing.path).and_then(|index| {
            let (replayed, _) = indexing.catch_up(&index)?;
            Ok((index, replayed))
        });
        let (index, replayed) = match opened {
            Ok((index, replayed)) => (Some(index), replayed),
            Err(error @ StoreError::Index { .. }) => indexing.start_over(&error)?,
            Err(other) => return Err(other),
        };
        *indexing.index.write() = index;
        Ok((indexing, replayed))
    }

    /// Makes the index anew beside the damaged one. Where that fails too the log itself is
    /// read: there is no reason not to start.
    fn start_over(&self, error: &StoreError) -> Result<(Option<Index>, Replayed)> {
        tracing::warn!(%error, "the index is moved aside and made anew");
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        let _ = std::fs::rename(&self.path, aside(&self.path));
        match Index::open(&self.path).and_then(|index| Ok((self.catch_up(&index)?.0, index))) {
            Ok((replayed, index)) => Ok((Some(index), replayed)),
            Err(error) => {
                tracing::error!(%error, "there is no index; sessions are looked for in the log");
                let end = self.appender.appended();
                let replayed = replay(self.appender.dir(), 0, end, &mut Nothing)?;
                Ok((None, replayed))
            }
        }
    }

    /// Takes in what the log has beyond the index.
    fn catch_up(&self, index: &Index) -> Result<(Replayed, u64)> {
        let dir = self.appender.dir();
        let checkpoint = index.checkpoint()?;
        if !is_of_this_log(dir, &checkpoint)? {
            return Err(StoreError::Index {
                path: self.path.clone(),
                why: "it is not this log's".to_owned(),
            });
        }
        let until = self.appender.appended();
        let mut taken = Taken {
            index,
            waiting: Vec::new(),
            sessions: 0,
            live: &self.live,
        };
        let mut replayed = replay(dir, checkpoint.through, until, &mut taken)?;
        taken.write()?;
        let sessions = taken.sessions;
        if replayed.last_note == NONE {
            replayed.last_note = checkpoint.last_note;
            replayed.notes = checkpoint.notes;
        }
        Ok((replayed, sessions))
    }

    /// Does `work` with the index; `None` where there is none, or it failed just now.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Index) -> Result<T>) -> Result<Option<T>> {
        let done = match &*self.index.read() {
            None => return Ok(None),
            Some(index) => work(index),
        };
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error @ StoreError::Index { .. }) => {
                tracing::error!(%error, "the index is given up; the log is read until the next start");
                *self.index.write() = None;
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Hands a closed session over.
    pub(crate) fn closed(&self, live: Arc<Live>) {
        if self.live.closed(live) >= MOST_WAITING {
            self.take_in();
        }
    }

    /// Takes in what was closed, and notes how far the log is taken in.
    pub(crate) fn take_in(&self) {
        let _taking = self.taking.lock();
        let closed = self.live.take_closed();
        let folded: Vec<Folded> = closed
            .iter()
            .map(|live| live.folded.lock().clone())
            .collect();
        let put = self.with(|index| index.put(&folded));
        // Without an index the next start reads them in the log; memory does not keep them.
        if let Err(error) = put {
            tracing::error!(%error, "closed sessions are not in the index");
        }
        for live in &closed {
            self.live.forget(live.id);
        }
        if let Err(error) = self.note_progress() {
            tracing::error!(%error, "the index does not know how far it has come");
        }
    }

    fn note_progress(&self) -> Result<()> {
        let (end, last_note, notes) = {
            let end = self.appender.end();
            (end.position(), end.last_note, end.notes)
        };
        let through = self.live.oldest(end);
        let segments = segment::list(self.appender.dir())?;
        let Some(hash) = Places::new(&segments).hash_before(through)? else {
            return Ok(());
        };
        let checkpoint = Checkpoint {
            through,
            hash,
            last_note,
            notes,
        };
        self.with(|index| index.set_checkpoint(&checkpoint))?;
        Ok(())
    }

    /// Makes the index anew from the whole log, while the log is written.
    pub(crate) fn rebuild(&self) -> Result<Rebuilt> {
        let rebuilt = {
            let _taking = self.taking.lock();
            let mut slot = self.index.write();
            *slot = None;
            match std::fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &self.path)(error));
                }
                Ok(()) | Err(_) => {}
            }
            let index = Index::open(&self.path)?;
            let (replayed, sessions) = self.catch_up(&index)?;
            *slot = Some(index);
            Rebuilt {
                records: replayed.records,
                sessions,
            }
        };
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        self.take_in();
        self.flush();
        Ok(rebuilt)
    }

    fn flush(&self) {
        // A failed flush was told of; what it lost the next start takes in again.
        let _ = self.with(Index::flush);
    }
}

/// Whether the chain is at the checkpoint what it was when it was noted.
fn is_of_this_log(dir: &Path, checkpoint: &Checkpoint) -> Result<bool> {
    if *checkpoint == Checkpoint::START {
        return Ok(true);
    }
    let segments = segment::list(dir)?;
    let hash = Places::new(&segments).hash_before(checkpoint.through)?;
    Ok(hash == Some(checkpoint.hash))
}

/// Writes what a replay finds into the index.
struct Taken<'a> {
    index: &'a Index,
    live: &'a LiveSessions,
    waiting: Vec<Folded>,
    sessions: u64,
}

impl Taken<'_> {
    fn write(&mut self) -> Result<()> {
        self.sessions = self.sessions.saturating_add(self.waiting.len() as u64);
        self.index.put(&std::mem::take(&mut self.waiting))
    }
}

impl Found for Taken<'_> {
    fn session(&mut self, folded: Folded) -> Result<()> {
        if self.live.contains(folded.summary.id) {
            return Ok(());
        }
        self.waiting.push(folded);
        if self.waiting.len() >= GROUP {
            self.write()?;
        }
        Ok(())
    }

    fn note(&mut self, position: u64, note: NoteRecord) -> Result<()> {
        match note.note {
            Note::Policy { digest, .. } => self.index.put_policy(&digest, position),
            _ => Ok(()),
        }
    }
}

/// Nothing is done with what is found.
struct Nothing;

impl Found for Nothing {
    fn session(&mut self, _: Folded) -> Result<()> {
        Ok(())
    }

    fn note(&mut self, _: u64, _: NoteRecord) -> Result<()> {
        Ok(())
    }
}

/// The thread that takes closed sessions in; dropping it does so once more and ends it.
pub(crate) struct IndexThread {
    indexing: Arc<Indexing>,
    thread: Option<JoinHandle<()>>,
}

impl IndexThread {
    pub(crate) fn start(indexing: Arc<Indexing>) -> Result<Self> {
        let shared = Arc::clone(&indexing);
        let run = move || {
            while shared.live.wait() {
                shared.live.linger(LINGER);
                shared.take_in();
            }
        };
        let thread = std::thread::Builder::new()
            .name("sluice-index".to_owned())
            .spawn(run)
            .map_err(StoreError::io("start a thread for", &indexing.path))?;
        Ok(Self {
            indexing,
            thread: Some(thread),
        })
    }
}

impl Drop for IndexThread {
    fn drop(&mut self) {
        self.indexing.live.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.indexing.take_in();
        self.indexing.flush();
    }
}
