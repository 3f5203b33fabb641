//! The kernel side as the proxy sees it: origins, lineages, and refusals put on record.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use sluice_capture::Capture;
use sluice_flow::kernel::{Actor, JobTag, KernelEvent, KernelRefusal, Origin, Transport};
use sluice_flow::ports::{Lineages, Origins, RecordError, Recorder as _};
use sluice_flow::session::Outcome;
use sluice_flow::{
    Cause, Destination, EventKind, Lineage, LineageTable, ProcessId, Refusal, SessionOpened,
};
use sluice_proxy::RunningJobs;
use sluice_store::{Note, Store};

use crate::memory::Memory;
use crate::worker::Worker;

/// How often waiting events are taken in when no flow asks for them.
const DRAIN_EVERY: Duration = Duration::from_millis(10);
/// How long an exited process is remembered: flows of it may still be on their way.
const GRACE: Duration = Duration::from_secs(60);
/// How often the exited are forgotten and stale origins swept out.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long an origin waits for its connection to be accepted.
const ORIGIN_LIFETIME: Duration = Duration::from_secs(60);
/// Kernel refusals of one job that are recorded one by one in a second; more are counted.
pub(crate) const MAX_REFUSALS_PER_SECOND: u32 = 200;
/// How often an event that another processor is still writing is looked for.
const LOOKS: usize = 50;

/// The kernel side: capture, and the fold of what it tells.
pub(crate) struct Kernel {
    capture: Arc<Capture>,
    table: Mutex<LineageTable>,
    jobs: Arc<RunningJobs>,
    store: Arc<Store>,
    refusals: Mutex<HashMap<JobTag, Budget>>,
    /// Held for reading while refusals that were taken in are put on record.
    recording: RwLock<()>,
    /// Kernel refusals that were counted, not recorded.
    pub(crate) refusals_left_out: AtomicU64,
    /// Lost events that the record does not tell of yet.
    lost_untold: AtomicU64,
}

/// How many refusals of a job were recorded in this second, and how many were not since the
/// last note of them.
struct Budget {
    second: Instant,
    recorded: u32,
    left_out: u64,
    last: Option<KernelRefusal>,
}

impl Kernel {
    pub(crate) fn new(
        capture: Arc<Capture>,
        table: LineageTable,
        jobs: Arc<RunningJobs>,
        store: Arc<Store>,
    ) -> Self {
        Self {
            capture,
            table: Mutex::new(table),
            jobs,
            store,
            lost_untold: AtomicU64::new(0),
            refusals: Mutex::default(),
            recording: RwLock::default(),
            refusals_left_out: AtomicU64::new(0),
        }
    }

    /// Goes on where the daemon before this one was: takes in what happened meanwhile, and finds
    /// in /proc what nobody told of. Gives how many processes had to be found. `lost`: events
    /// whose loss is on record already.
    pub(crate) fn recover(&self, lost: u64) -> anyhow::Result<usize> {
        let members = self.capture.all_members()?;
        let at = since_boot();
        let living = members.iter().map(|actor| actor.process).collect();
        self.table.lock().only_live(&living, at);
        // What the ring holds at most may take more than one turn.
        self.take_in();
        self.take_in();
        let untold = self.lost_untold.load(Ordering::Relaxed);
        let news = untold.saturating_sub(lost);
        self.lost_untold.store(news, Ordering::Relaxed);
        let mut found = 0;
        let mut table = self.table.lock();
        for actor in members {
            if table.knows(actor.process, actor.ordinal) {
                continue;
            }
            if let Some(image) = self.capture.found(&actor, at) {
                table.apply(&KernelEvent::Started(Box::new(image)));
                found += 1;
            }
        }
        Ok(found)
    }

    /// Events that were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.table.lock().lost()
    }

    /// Whether the process with this pid belongs to a job.
    pub(crate) fn is_member(&self, pid: u32) -> bool {
        self.take_in();
        self.table.lock().lives(pid)
    }

    /// Takes in what waits in the kernel.
    pub(crate) fn take_in(&self) {
        // The table stays locked over the drain: events must reach it in their order.
        let mut table = self.table.lock();
        let mut refused = Vec::new();
        for event in self.capture.drain() {
            table.apply(&event);
            match event {
                KernelEvent::Refused {
                    actor,
                    incomplete,
                    refusal,
                    ..
                } => {
                    let lineage = table.lineage(actor.process, actor.ordinal);
                    let mut lineage = lineage.unwrap_or_default();
                    lineage.complete &= !incomplete;
                    refused.push((actor, refusal, lineage));
                }
                KernelEvent::Lost(count) => {
                    self.lost_untold.fetch_add(count, Ordering::Relaxed);
                }
                KernelEvent::Forked { .. }
                | KernelEvent::Started(_)
                | KernelEvent::Exited { .. } => {}
            }
        }
        // Taken before the table is free: whoever finds nothing to take in can wait for us.
        let recording = self.recording.read();
        drop(table);
        let handed_in = refused
            .iter()
            .any(|(_, refusal, _)| refusal.reason == "handed_in");
        for (actor, refusal, lineage) in refused {
            self.record(&actor, refusal, &lineage);
        }
        if handed_in {
            self.end_handed_in();
        }
        drop(recording);
    }

    /// Takes in what waits in the kernel, and waits until what other threads took in is on
    /// record: before a job is forgotten.
    pub(crate) fn settle(&self) {
        self.take_in();
        drop(self.recording.write());
    }

    /// A refusal of the kernel becomes a session of its own: opened, refused, closed.
    fn record(&self, actor: &Actor, refusal: KernelRefusal, lineage: &Lineage) {
        if actor.job == JobTag::PROBE {
            return;
        }
        if !self.within_budget(actor.job, &refusal) {
            self.refusals_left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Err(error) = self.write(actor, refusal, lineage) {
            tracing::error!(%error, "a refusal of the kernel is not in the record");
        }
    }

    fn write(
        &self,
        actor: &Actor,
        kernel: KernelRefusal,
        lineage: &Lineage,
    ) -> Result<(), RecordError> {
        let running = self.jobs.find(actor.job);
        let keep = running.as_ref().and_then(|running| running.keep());
        let lineage = match &running {
            Some(running) => running.masked_lineage(lineage),
            None => Lineage::default(),
        };
        let opened = SessionOpened {
            job: running.map(|running| running.job.clone()),
            destination: kernel.destination.map(Destination::of),
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            lineage,
            keep,
        };
        let refusal = Refusal::of(Cause::Kernel, explain(&kernel));
        self.store.session()?.append(vec![
            EventKind::Opened(Box::new(opened)),
            EventKind::Refused {
                refusal,
                kernel: Some(kernel),
                expected: false,
            },
            EventKind::Closed {
                outcome: Outcome::Refused,
                bytes_up: 0,
                bytes_down: 0,
            },
        ])?;
        Ok(())
    }

    fn within_budget(&self, job: JobTag, refusal: &KernelRefusal) -> bool {
        let mut refusals = self.refusals.lock();
        let now = Instant::now();
        let budget = refusals.entry(job).or_insert(Budget {
            second: now,
            recorded: 0,
            left_out: 0,
            last: None,
        });
        if now.duration_since(budget.second) >= Duration::from_secs(1) {
            (budget.second, budget.recorded) = (now, 0);
        }
        if budget.recorded >= MAX_REFUSALS_PER_SECOND {
            budget.left_out = budget.left_out.saturating_add(1);
            budget.last = Some(refusal.clone());
            return false;
        }
        budget.recorded = budget.recorded.saturating_add(1);
        true
    }

    /// Puts on record what has no session of its own.
    fn note_the_rest(&self) {
        let lost = self.lost_untold.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.note(Note::EventsLost { count: lost });
        }
        let mut notes = Vec::new();
        for (tag, budget) in self.refusals.lock().iter_mut() {
            if let Some(refusal) = budget.last.take() {
                let job = self.jobs.find(*tag).map(|running| running.job.id);
                let count = std::mem::take(&mut budget.left_out);
                notes.push(Note::KernelRefused {
                    job,
                    refusal,
                    count,
                });
            }
        }
        notes.into_iter().for_each(|note| self.note(note));
    }

    fn note(&self, note: Note) {
        if let Err(error) = self.store.note(note) {
            tracing::warn!(%error, "what the kernel side did is not in the record");
        }
    }

    /// What a job wrote on a connection that is not its own waits in it: it must not leave when
    /// nobody drops it any more.
    fn end_handed_in(&self) {
        let detail = match self.capture.end_handed_in() {
            Ok(0) => return,
            Ok(count) => format!(
                "of the connections that were handed in to jobs, {count} could not be ended (the \
                 log says why): what jobs wrote there may leave once the kernel programs are gone"
            ),
            Err(error) => format!("connections that were handed in to jobs are not ended: {error}"),
        };
        tracing::error!("{detail}");
        self.note(Note::NotEnforced { detail });
    }

    /// Forgets what is over.
    fn sweep(&self) {
        self.note_the_rest();
        self.end_handed_in();
        let grace = u64::try_from(GRACE.as_nanos()).unwrap_or(u64::MAX);
        let before = since_boot().saturating_sub(grace);
        self.table.lock().forget_exited(before);
        if let Err(error) = self.capture.forget_flows(ORIGIN_LIFETIME) {
            tracing::warn!(%error, "stale origins stay for now");
        }
        self.refusals
            .lock()
            .retain(|_, budget| budget.second.elapsed() < SWEEP_EVERY);
    }
}

/// Nanoseconds since boot, as kernel events count them (`CLOCK_BOOTTIME`).
pub(crate) fn since_boot() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    let now = now.map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// What a person at the build log reads.
fn explain(kernel: &KernelRefusal) -> String {
    let to = kernel
        .destination
        .map(|to| format!(" to {to}"))
        .unwrap_or_default();
    let why = match kernel.reason.as_str() {
        "socket_kind" => "only TCP and DNS leave through the gate; this kind of socket does not",
        "udp" => "UDP other than DNS cannot be judged; use TCP",
        "forged" => "the gate's own address is not to be dialled",
        "other_netns" => "the process is in a network namespace that the gate does not serve",
        "daemon_down" => "the daemon is away or does not answer; until it is back nothing leaves",
        "stray_packet" => "a packet that does not go to the gate",
        "no_listener" => "the gate does not serve this address family on this host",
        "no_memory" => "the kernel could not remember the socket, so it does not leave",
        "no_tag" => "too many processes of jobs at once: the kernel could not remember this one",
        "handed_in" => "the socket was connected outside of the job; a job opens its own",
        _ => "the kernel side does not let it out",
    };
    format!("{} of {}{to}: {why}", kernel.hook, kernel.socket)
}

impl Lineages for Kernel {
    fn lineage(&self, process: ProcessId, ordinal: u32) -> Option<Lineage> {
        for _ in 0..LOOKS {
            if let Some(lineage) = self.table.lock().lineage(process, ordinal) {
                return Some(lineage);
            }
            // The event was written before the connection was made. Either it waits to be
            // taken in, or another processor's event before it is still being written.
            self.take_in();
            if let Some(lineage) = self.table.lock().lineage(process, ordinal) {
                return Some(lineage);
            }
            std::thread::yield_now();
        }
        None
    }
}

impl Origins for Kernel {
    fn take(&self, peer: SocketAddr, transport: Transport) -> Option<Origin> {
        self.capture.take(peer, transport)
    }
}

/// Keeps the lineage for the next daemon, once no thread takes events in any more.
pub(crate) struct Keeper {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) memory: Memory,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let lineage = self.kernel.table.lock().snapshot();
        if let Err(error) = self.memory.keep_lineage(&lineage) {
            tracing::error!("the next daemon will not know the lineage: {error:#}");
        }
    }
}

/// The thread that takes events in.
pub(crate) struct Pump {
    stop: Arc<AtomicBool>,
    _worker: Worker,
}

impl Pump {
    pub(crate) fn start(kernel: Arc<Kernel>) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pump = move || {
            sluice_proxy::ahead_of_jobs();
            let mut swept = Instant::now();
            while !stopped.load(Ordering::Acquire) {
                kernel.take_in();
                if swept.elapsed() >= SWEEP_EVERY {
                    kernel.sweep();
                    swept = Instant::now();
                }
                std::thread::sleep(DRAIN_EVERY);
            }
            kernel.take_in();
            kernel.note_the_rest();
        };
        Ok(Self {
            stop,
            _worker: Worker::start("sluice-events", pump)?,
        })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
