//! The thread that sees a runner's cgroup come: whatever starts in it before it is taken in is
//! not enforced, so every directory in which it can appear is watched.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::control::Gatehouse;
use crate::worker::Worker;

/// How often it is looked where nothing was told, milliseconds: as often as the heart beats.
const LOOK_EVERY_MS: u8 = 150;

/// The thread. Dropping it waits for its end.
pub(crate) struct RunnerWatch {
    stop: Arc<AtomicBool>,
    _worker: Worker,
}

impl RunnerWatch {
    /// Starts to watch; `None` where there is no runner to watch for.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance or no thread.
    pub(crate) fn start(gatehouse: Arc<Gatehouse>) -> anyhow::Result<Option<Self>> {
        if !gatehouse.parts.jobs.has_runners() {
            return Ok(None);
        }
        let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .context("cannot watch cgroups; is fs.inotify.max_user_instances used up?")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = move || {
            while !stopped.load(Ordering::Acquire) {
                look(&gatehouse, &changes);
                wait(&changes);
            }
        };
        Ok(Some(Self {
            stop,
            _worker: Worker::start("sluice-runners", watch)?,
        }))
    }
}

impl Drop for RunnerWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Watches first and looks then: what comes in between is told, and what was there is seen.
fn look(gatehouse: &Gatehouse, changes: &Inotify) {
    let flags = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE | AddWatchFlags::IN_ONLYDIR;
    for directory in gatehouse.parts.jobs.above_runners() {
        // One that is not there yet is told by the one above it. Where the kernel gives no more
        // watches, it is looked every LOOK_EVERY_MS all the same.
        let _ = changes.add_watch(&directory, flags);
    }
    gatehouse.parts.jobs.look_at_runners();
}

/// Until something changes, or it is time to look again.
fn wait(changes: &Inotify) {
    let mut fds = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
    if poll(&mut fds, LOOK_EVERY_MS).is_err_and(|error| error != Errno::EINTR) {
        std::thread::sleep(std::time::Duration::from_millis(LOOK_EVERY_MS.into()));
    }
    // What changed is looked up, not read: events may be lost where there are too many.
    while changes.read_events().is_ok() {}
}
