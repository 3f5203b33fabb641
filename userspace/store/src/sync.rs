//! Puts what was appended on disk, in groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sluice_flow::ports::{RecordError, Synced};
use tokio::sync::oneshot;

use crate::appender::{Appender, End};
use crate::disk::LogFile;
use crate::error::{Result, StoreError};
use crate::head::{self, Head};

type Answer = Result<(), RecordError>;

/// What waits for the disk.
#[derive(Default)]
struct Waiting {
    /// Who waits, and for which position.
    waiters: Vec<(u64, oneshot::Sender<Answer>)>,
    /// What was appended behind the first position and up to the second may never get there:
    /// a sync of it failed.
    lost: (u64, u64),
    stop: bool,
}

/// The state that the sync thread shares with those who append.
#[derive(Default)]
pub(crate) struct SyncState {
    /// Something was appended since the last sync began.
    dirty: AtomicBool,
    /// All before this position is on disk.
    synced: AtomicU64,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    pub(crate) failures: AtomicU64,
}

impl SyncState {
    pub(crate) fn synced_to(position: u64) -> Self {
        Self {
            synced: AtomicU64::new(position),
            ..Self::default()
        }
    }

    /// Says that something was appended.
    pub(crate) fn appended(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            // The lock makes sure that the thread is not between looking and waiting.
            drop(self.waiting.lock());
            self.wake.notify_one();
        }
    }

    /// Ends when all before `position` is on disk. Who asks for what a failed sync covered is
    /// told so, however often: a later sync that succeeds says nothing of it. Somebody waits for it, so the sync begins
    /// at once; those who ask meanwhile share the next one.
    pub(crate) fn wait_for(&self, position: u64) -> Synced {
        let mut waiting = self.waiting.lock();
        let (from, to) = waiting.lost;
        if from < position && position <= to {
            return Box::pin(std::future::ready(Err(lost())));
        }
        if self.synced.load(Ordering::Acquire) >= position {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (sender, receiver) = oneshot::channel();
        waiting.waiters.push((position, sender));
        drop(waiting);
        self.wake.notify_one();
        Box::pin(async move {
            receiver.await.unwrap_or_else(|_| {
                Err(RecordError {
                    what: "the log was closed before it was synced".to_owned(),
                })
            })
        })
    }

    /// Whether all before `position` is on disk.
    pub(crate) fn is_synced(&self, position: u64) -> bool {
        self.synced.load(Ordering::Acquire) >= position
    }

    /// Waits until there is something to sync, and then until others had time to append or
    /// somebody waits for it. `false`: the log is closed.
    fn wait(&self, linger: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        while !self.dirty.load(Ordering::Acquire) && waiting.waiters.is_empty() && !waiting.stop {
            self.wake.wait(&mut waiting);
        }
        let until = std::time::Instant::now() + linger;
        while waiting.waiters.is_empty() && !waiting.stop {
            if self.wake.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        !waiting.stop
    }

    /// Notes that what was appended since the last good sync may be lost. Failures in a row
    /// are one.
    fn lost_before(&self, position: u64) {
        let mut waiting = self.waiting.lock();
        let (from, to) = waiting.lost;
        let synced = self.synced.load(Ordering::Acquire);
        let from = if synced < to { from } else { synced };
        waiting.lost = (from, position.max(to));
    }

    fn answer(&self, position: u64, answer: &Answer) {
        let mut waiting = self.waiting.lock();
        let ready = waiting.waiters.extract_if(.., |(at, _)| *at <= position);
        for (_, waiter) in ready {
            // Who does not wait any more does not want to know.
            let _ = waiter.send(answer.clone());
        }
    }
}

fn lost() -> RecordError {
    RecordError {
        what: "a sync of it failed before; it may not be on disk".to_owned(),
    }
}

/// The thread that syncs; dropping it syncs once more and ends it.
pub(crate) struct SyncThread {
    state: Arc<SyncState>,
    thread: Option<JoinHandle<()>>,
}

impl SyncThread {
    /// Starts it. A sync begins at most `linger` after the first record that it covers.
    pub(crate) fn start(
        appender: Arc<Appender>,
        state: Arc<SyncState>,
        linger: Duration,
    ) -> Result<Self> {
        let shared = Arc::clone(&state);
        let run = move || {
            while shared.wait(linger) {
                sync(&appender, &shared);
            }
            sync(&appender, &shared);
        };
        let thread = std::thread::Builder::new()
            .name("sluice-sync".to_owned())
            .spawn(run)
            .map_err(StoreError::io(
                "start a thread for",
                std::path::Path::new("the log"),
            ))?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.state.waiting.lock().stop = true;
        self.state.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What one sync puts on disk.
struct Group {
    files: Vec<(std::path::PathBuf, Arc<dyn LogFile>)>,
    new_name: bool,
    head: Head,
}

impl Group {
    fn take(end: &mut End) -> Self {
        let mut files = std::mem::take(&mut end.full);
        files.push((end.path.clone(), Arc::clone(&end.file)));
        Self {
            files,
            new_name: std::mem::take(&mut end.new_name),
            head: Head {
                position: end.position(),
                hash: end.hash,
            },
        }
    }
}

/// One sync of all that was appended before it.
pub(crate) fn sync(appender: &Appender, state: &SyncState) {
    state.dirty.store(false, Ordering::Release);
    let group = Group::take(&mut appender.end());
    let position = group.head.position;
    match write_out(appender, &group) {
        Ok(()) => {
            state.synced.store(position, Ordering::Release);
            state.answer(position, &Ok(()));
        }
        Err(error) => {
            // After a failed fdatasync the kernel forgets what it could not write, and the
            // next one succeeds: nothing may be added to these files any more.
            appender.end().suspect = true;
            state.lost_before(position);
            state.failures.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "records of the last moments may not be on disk");
            state.answer(position, &Err(error.into()));
        }
    }
}

fn write_out(appender: &Appender, group: &Group) -> Result<()> {
    for (path, file) in &group.files {
        file.sync().map_err(StoreError::io("sync", path))?;
    }
    if group.new_name {
        let dir = appender.dir();
        appender
            .disk()
            .sync_dir(dir)
            .map_err(StoreError::io("sync", dir))?;
    }
    head::write(appender.dir(), &group.head)
}
