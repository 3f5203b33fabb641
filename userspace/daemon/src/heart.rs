//! The heartbeat: the gate is open only for as long as the probe goes through it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use parking_lot::Mutex;
use sluice_capture::Capture;
use sluice_flow::ports::Enforcement;
use sluice_store::{Note, Store};

use crate::probe::{Probe, Try};
use crate::worker::Worker;

/// How long one beat keeps the gate open: under a second, so that a daemon that is dead,
/// stopped or stuck is one that refuses within a second.
const BEAT_LASTS: Duration = Duration::from_millis(950);
/// How often it beats.
const BEAT_EVERY: Duration = Duration::from_millis(150);
/// How long the first beat may take.
const FIRST_BEAT_WAIT: Duration = Duration::from_secs(10);

/// The heart and its thread. Dropping it lets the gate fall shut.
pub(crate) struct Heart {
    shared: Arc<Shared>,
    _worker: Worker,
}

struct Shared {
    capture: Arc<Capture>,
    store: Arc<Store>,
    probe: Mutex<Option<Probe>>,
    cgroup: PathBuf,
    stop: AtomicBool,
    open: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl Heart {
    /// Starts to beat; returns when the gate is open.
    ///
    /// # Errors
    /// When the probe does not go through: says where it got stuck.
    pub(crate) fn start(
        capture: Arc<Capture>,
        store: Arc<Store>,
        cgroup: PathBuf,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            capture,
            store,
            probe: Mutex::new(None),
            cgroup,
            stop: AtomicBool::new(false),
            open: AtomicBool::new(false),
            last_error: Mutex::new(None),
        });
        let beating = Arc::clone(&shared);
        let worker = Worker::start("sluice-heart", move || beating.beat_until_stopped())?;
        let heart = Self {
            shared,
            _worker: worker,
        };
        heart.wait_until_open()?;
        Ok(heart)
    }

    fn wait_until_open(&self) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while !self.is_open() {
            if begun.elapsed() > FIRST_BEAT_WAIT {
                let why = self.shared.last_error.lock().clone().unwrap_or_default();
                bail!("the probe does not go through the gate, so it stays shut: {why}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether the last beat went well.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Tries everything that the probe can try, now.
    pub(crate) fn try_all(&self) -> Vec<Enforcement> {
        let line = |(of, _, what): &(Try, u8, &'static str)| {
            let outcome = self.shared.run(*of);
            Enforcement {
                what: (*what).to_owned(),
                enforced: outcome.is_ok(),
                detail: outcome
                    .err()
                    .unwrap_or_else(|| "probed just now".to_owned()),
            }
        };
        Try::ALL.iter().map(line).collect()
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

impl Shared {
    fn beat_until_stopped(&self) {
        sluice_proxy::ahead_of_jobs(); // and so is the probe, which it starts
        while !self.stop.load(Ordering::Acquire) {
            self.beat();
            std::thread::sleep(BEAT_EVERY);
        }
        if let Err(error) = self.capture.close_gate() {
            tracing::warn!(%error, "the gate could not be shut at once; it falls shut by itself");
        }
    }

    /// One try through the whole data path, and only after it the next bit of time.
    fn beat(&self) {
        let outcome = self.run(Try::Connect4).and_then(|()| {
            self.capture
                .heartbeat(BEAT_LASTS)
                .map_err(|error| format!("heartbeat: {error}"))
        });
        let open = outcome.is_ok();
        let was_open = self.open.swap(open, Ordering::AcqRel);
        match outcome {
            Ok(()) if !was_open => {
                tracing::info!("the gate is open");
                self.note(true, "the probe went through");
            }
            Ok(()) => {}
            Err(why) => {
                if was_open {
                    tracing::error!(%why, "the probe failed: connections of jobs are refused");
                    self.note(false, &why);
                }
                *self.last_error.lock() = Some(why);
                *self.probe.lock() = None;
            }
        }
    }

    /// A full disk is told by the flows that it ends.
    fn note(&self, open: bool, detail: &str) {
        let detail = detail.to_owned();
        if let Err(error) = self.store.note(Note::Status { open, detail }) {
            tracing::warn!(%error, "that the gate opens or shuts is not in the record");
        }
    }

    fn run(&self, what: Try) -> Result<(), String> {
        let mut probe = self.probe.lock();
        if probe.is_none() {
            *probe = Some(Probe::start(&self.cgroup).map_err(|error| format!("{error:#}"))?);
        }
        probe.as_mut().map_or(Ok(()), |probe| probe.run(what))
    }
}
