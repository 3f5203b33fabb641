//! What ends: jobs, asked for by who runs them or because they are gone, and records that need
//! not be kept any longer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;
use sluice_capture::{CaptureError, JobCgroup, lives};
use sluice_flow::JobId;
use sluice_flow::kernel::JobTag;
use sluice_store::Dropped;

use crate::control::Gatehouse;
use crate::jobs::{Admitted, Place};
use crate::worker::Worker;

/// How long nothing of a job must live, and nobody run it, until it is ended.
const ABANDONED_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked which records need not be kept any longer.
const DROP_EVERY: Duration = Duration::from_secs(3_600);
/// How often systemd is asked where the units of runners are.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether flows and processes have ended.
const STEP: Duration = Duration::from_millis(5);

impl Gatehouse {
    /// Ends a job: its flows may go on for `grace`, then what is left of it is killed.
    pub(crate) fn release(&self, job: JobId, grace: Duration) -> anyhow::Result<()> {
        let Some(Admitted { kept, place }) = self.parts.jobs.admitted.lock().remove(&job) else {
            bail!("no job {job} runs");
        };
        if let Place::Own { cgroup, .. } = place {
            self.end_processes(job, kept.tag, &cgroup, grace)?;
            self.end_flows(kept.tag, grace);
            self.parts.capture.remove_runner(cgroup.id())?;
        }
        self.parts.jobs.forget(&kept);
        self.parts.proxy.desk.forget_job(job);
        Ok(())
    }

    fn end_processes(
        &self,
        job: JobId,
        tag: JobTag,
        cgroup: &JobCgroup,
        grace: Duration,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let capture = &self.parts.capture;
        // What left the cgroup is the job's all the same: without us it would be free.
        let lives = || Ok::<_, CaptureError>(!cgroup.is_empty() || capture.has_members(tag)?);
        while begun.elapsed() < grace && lives()? {
            std::thread::sleep(STEP);
        }
        if lives()? {
            tracing::info!(%job, "what the job left behind is killed");
            cgroup.kill()?;
            if !capture.kill_members(tag)? {
                tracing::error!(%job, "processes of the job withstand SIGKILL");
            }
        }
        Ok(())
    }

    /// Nobody is left to wait for an answer; what was asked is still put on record.
    fn end_flows(&self, tag: JobTag, grace: Duration) {
        let ended = Instant::now();
        let running = self.parts.proxy.jobs.find(tag);
        let flows = || {
            let open = running.as_ref().map_or(0, |running| running.open_flows());
            open > 0 || self.parts.capture.has_flows(tag)
        };
        while flows() && ended.elapsed() < grace {
            std::thread::sleep(STEP);
        }
        self.parts.kernel.settle();
    }

    /// Jobs whose runner is gone, and of which nothing lives.
    fn abandoned(&self) -> Vec<JobId> {
        let capture = &self.parts.capture;
        let admitted = self.parts.jobs.admitted.lock();
        let is_abandoned = |admitted: &Admitted| match &admitted.place {
            Place::Own { cgroup, by } => {
                !by.is_some_and(lives)
                    && cgroup.is_empty()
                    && capture.has_members(admitted.kept.tag).is_ok_and(|any| !any)
            }
            Place::Runner => false,
        };
        let abandoned = admitted.iter().filter(|(_, job)| is_abandoned(job));
        abandoned.map(|(id, _)| *id).collect()
    }
}

/// The thread that ends jobs whose `sluice run` was killed, drops records, and asks for units.
pub(crate) struct Watch {
    /// Dropped before the thread is waited for: that is what tells it to end.
    _running: Sender<()>,
    _worker: Worker,
}

impl Watch {
    pub(crate) fn start(gatehouse: Arc<Gatehouse>) -> anyhow::Result<Self> {
        let (running, ended) = channel();
        let watch = move || {
            let mut since: HashMap<JobId, Instant> = HashMap::new();
            let mut dropped: Option<Instant> = None;
            let mut asked = Instant::now();
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if dropped.is_none_or(|last| last.elapsed() >= DROP_EVERY) {
                    drop_expired(&gatehouse);
                    dropped = Some(Instant::now());
                }
                end_abandoned(&gatehouse, &mut since);
                if asked.elapsed() >= ASK_EVERY {
                    gatehouse.parts.jobs.ask_for_units();
                    asked = Instant::now();
                }
            }
        };
        Ok(Self {
            _running: running,
            _worker: Worker::start("sluice-watch", watch)?,
        })
    }
}

/// Who asks for a job enters its cgroup a moment later: only what stays empty is over.
fn end_abandoned(gatehouse: &Gatehouse, since: &mut HashMap<JobId, Instant>) {
    let now = Instant::now();
    let abandoned = gatehouse.abandoned();
    since.retain(|job, _| abandoned.contains(job));
    for job in abandoned {
        if now.duration_since(*since.entry(job).or_insert(now)) < ABANDONED_AFTER {
            continue;
        }
        tracing::warn!(%job, "who ran the job is gone, and nothing of it lives: it is ended");
        if let Err(error) = gatehouse.release(job, Duration::ZERO) {
            tracing::error!(%job, "it cannot be ended: {error:#}");
        }
    }
}

fn drop_expired(gatehouse: &Gatehouse) {
    let dropped = gatehouse.store().drop_expired(Timestamp::now());
    match dropped.map_err(anyhow::Error::from) {
        Ok(dropped) if dropped.segments > 0 => {
            let Dropped {
                segments, sessions, ..
            } = dropped;
            tracing::info!(segments, sessions, "records went that no policy keeps");
            if let Err(error) = gatehouse.parts.jobs.note_in_force() {
                tracing::error!("verdicts of now may not be explained later: {error:#}");
            }
        }
        Ok(_) => {}
        Err(error) => tracing::error!("records are kept for longer than policies say: {error:#}"),
    }
}
