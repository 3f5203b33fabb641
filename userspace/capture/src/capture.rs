//! The kernel side as the daemon holds it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use aya::{Ebpf, EbpfLoader};
use parking_lot::Mutex;
use sluice_abi::{Counter, FlowKey, Origin, ProcessKey, ProcessTag, Runner};
use sluice_flow::kernel::{self, JobTag, KernelEvent, Transport};
use sluice_flow::ports::Origins;

use crate::bpffs::Bpffs;
use crate::cgroup::{id_of, level_of};
use crate::error::CaptureError;
use crate::event::decode;
use crate::gate::{Gate, Listeners, boot_ns};
use crate::handed_in::HandedInStreams;
use crate::hooks::{self, Attached, Hook};
use crate::origin::{flow_key, netns_cookie, told};
use crate::plain::Plain;
use crate::{mountinfo, object, offsets};

/// Maps that outlive the daemon. SCRATCH and the programs' own constants do not need to.
const PINNED_MAPS: [&str; 8] = [
    "PROCESSES",
    "RUNNERS",
    "SOCKETS",
    "FLOWS",
    "HANDED_IN",
    "STATE",
    "STATS",
    "EVENTS",
];
/// The most events that one [`Capture::drain`] gives; the rest waits for the next.
pub const DRAIN_MAX: usize = 65_536;

/// Processes of all jobs that are usually let be members at the same time.
pub const MEMBERS_MAX: u32 = sluice_abi::PROCESSES_MAX;

/// How the kernel side is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory: pins are in `<state>/bpf`, a bpffs that is mounted there.
    pub state: PathBuf,
    /// Leave everything in force when this is dropped: for a daemon that will be back. An
    /// embedded one takes everything with it.
    pub keep_on_drop: bool,
    /// `on_daemon_down: allow`: members pass untouched while there is no heartbeat.
    pub open_when_down: bool,
    /// Processes of all jobs at the same time ([`MEMBERS_MAX`] is usual); one more
    /// is refused its connections. A table that an earlier instance left keeps its size.
    pub members_max: u32,
}

/// The programs, loaded, attached and pinned, and their maps. Members are refused until
/// [`Capture::listen`] and a first [`Capture::heartbeat`].
pub struct Capture {
    runners: Mutex<HashMap<MapData, u64, Plain<Runner>>>,
    flows: Mutex<HashMap<MapData, Plain<FlowKey>, Plain<Origin>>>,
    pub(crate) processes: Mutex<HashMap<MapData, Plain<ProcessKey>, Plain<ProcessTag>>>,
    stats: PerCpuArray<MapData, u64>,
    events: Mutex<Ring>,
    gate: Mutex<Gate>,
    pub(crate) handed_in: Mutex<HandedInStreams>,
    attached: Vec<Attached>,
    cgroup_root: PathBuf,
    netns: u64,
    pins: Bpffs,
    keep_on_drop: bool,
    /// Held as long as this lives: one instance a state directory.
    _lock: File,
}

/// The ring buffer, and how many losses were told of already.
struct Ring {
    buffer: RingBuf<MapData>,
    told_lost: u64,
}

/// Whose first exec in a registered cgroup is a root: seen whole from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Of a job: the cgroup is empty, and the first process that executes in it is its root.
    First,
    /// Of a runner: each process that starts from now on and comes in from outside. What ran
    /// before is found.
    Joining,
    /// Of a job that has one: who comes now was put there.
    Never,
}

impl Capture {
    /// Loads, attaches and pins. Links and maps that an earlier instance with this state directory
    /// left are taken over without a gap.
    ///
    /// # Errors
    /// When the kernel lacks something or refuses, the state directory is in use, or something on
    /// the host cannot be made. Nothing that was not there before is left then.
    pub fn start(options: &Options) -> Result<Self, CaptureError> {
        let lock = lock(&options.state)?;
        let cgroup_root = mountinfo::cgroup_root()?;
        let netns = netns_cookie()?;
        let (pins, is_new) = Bpffs::at(&options.state)?;
        let started = Self::start_in(options, lock, cgroup_root, netns, pins.clone());
        if started.is_err() && (is_new || !options.keep_on_drop) {
            let _ = pins.remove();
        }
        started
    }

    fn start_in(
        options: &Options,
        lock: File,
        cgroup_root: PathBuf,
        netns: u64,
        pins: Bpffs,
    ) -> Result<Self, CaptureError> {
        let generation = boot_ns();
        let mut object = open(&pins, generation, options.members_max)?;
        hooks::load(&mut object)?;
        let attached = hooks::attach(&mut object, &cgroup_root, &pins.links())?;
        let mut gate = Gate::new(typed(&mut object, "STATE")?)?;
        gate.take_over(generation, netns, JobTag::PROBE.0, options.open_when_down)?;
        if let Err(error) = pins.remove_other_layouts() {
            tracing::warn!(%error, "pins of an earlier version could not be removed");
        }
        Ok(Self {
            runners: Mutex::new(typed(&mut object, "RUNNERS")?),
            flows: Mutex::new(typed(&mut object, "FLOWS")?),
            processes: Mutex::new(typed(&mut object, "PROCESSES")?),
            stats: typed(&mut object, "STATS")?,
            events: Mutex::new(Ring {
                buffer: typed(&mut object, "EVENTS")?,
                told_lost: 0,
            }),
            gate: Mutex::new(gate),
            handed_in: Mutex::new(HandedInStreams::new(typed(&mut object, "HANDED_IN")?)),
            attached,
            cgroup_root,
            netns,
            pins,
            keep_on_drop: options.keep_on_drop,
            _lock: lock,
        })
    }

    /// Removes what an instance that is gone left in a state directory: its links, maps and
    /// mount. Processes that still run are free then; `before` is called while they are refused
    /// and nobody else has the directory, and where it fails nothing is removed.
    ///
    /// # Errors
    /// When the directory is in use by a live instance, or cannot be emptied; what `before` says.
    pub fn remove_leftovers<E: From<CaptureError>>(
        state: &Path,
        before: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let _lock = lock(state)?;
        before()?;
        HandedInStreams::end_left(state)?;
        let removed = Bpffs::remove_at(state);
        Ok(removed.map_err(CaptureError::host("could not remove the pins", state))?)
    }

    /// The root of cgroup v2 on this host.
    #[must_use]
    pub fn cgroup_root(&self) -> &Path {
        &self.cgroup_root
    }

    /// Tells the kernel side where to turn members to.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn listen(&self, listeners: Listeners) -> Result<(), CaptureError> {
        self.gate.lock().listen(listeners)
    }

    /// Opens the gate for so long from now. Called again well before that is over.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn heartbeat(&self, time: Duration) -> Result<(), CaptureError> {
        self.gate.lock().open_for(time)
    }

    /// Closes the gate: members are refused at once.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn close_gate(&self) -> Result<(), CaptureError> {
        self.gate.lock().close()
    }

    /// Whether members are let to the proxy at present.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gate.lock().is_open()
    }

    /// Makes members of all that is or comes into this cgroup or below it. The lineage of what is
    /// no root of a job says that it was found.
    ///
    /// # Errors
    /// When it is not a cgroup, is too deep, or there are too many.
    pub fn add_runner(&self, path: &Path, job: JobTag, root: Root) -> Result<(), CaptureError> {
        let level = level_of(path, &self.cgroup_root)?;
        let id = id_of(path)?;
        let (flags, since) = match root {
            Root::First => (sluice_abi::runner::FRESH, u64::MAX),
            Root::Joining => (0, boot_ns()),
            Root::Never => (0, u64::MAX),
        };
        let runner = Runner {
            job: job.0,
            since,
            flags,
            pad: 0,
        };
        let inserted = self.runners.lock().insert(id, Plain(runner), 0);
        inserted.map_err(CaptureError::map("RUNNERS"))?;
        self.gate.lock().runner_added(id, level)
    }

    /// Forgets a cgroup by its id. Processes that were tagged stay members as long as they live.
    ///
    /// # Errors
    /// When the map cannot be written. It is none that the cgroup was not there.
    pub fn remove_runner(&self, id: u64) -> Result<(), CaptureError> {
        match self.runners.lock().remove(&id) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(CaptureError::map("RUNNERS")(error)),
        }
        self.gate.lock().runner_removed(id)
    }

    /// The registered cgroups: id and job. After a restart also those of the instance before.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn runners(&self) -> Result<Vec<(u64, JobTag)>, CaptureError> {
        let runners = self.runners.lock();
        let all = runners
            .iter()
            .map(|entry| entry.map(|(id, Plain(r))| (id, JobTag(r.job))));
        all.collect::<Result<_, _>>()
            .map_err(CaptureError::map("RUNNERS"))
    }

    /// What happened since the last call, in order; at most [`DRAIN_MAX`] events. A loss comes
    /// last, as [`KernelEvent::Lost`].
    pub fn drain(&self) -> Vec<KernelEvent> {
        let mut ring = self.events.lock();
        let mut events = Vec::new();
        let mut unknown = 0_u64;
        while events.len() < DRAIN_MAX {
            let Some(item) = ring.buffer.next() else {
                break;
            };
            match decode(&item) {
                Some(event) => events.push(event),
                None => unknown = unknown.saturating_add(1),
            }
        }
        let lost = self.counter(Counter::LostEvents);
        let news = lost.saturating_sub(ring.told_lost).saturating_add(unknown);
        ring.told_lost = lost;
        if news > 0 {
            events.push(KernelEvent::Lost(news));
        }
        events
    }

    /// Forgets flows that nobody took for so long: connects that failed, and sockets of datagrams
    /// that are gone. Gives how many.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn forget_flows(&self, older: Duration) -> Result<usize, CaptureError> {
        let age = u64::try_from(older.as_nanos()).unwrap_or(u64::MAX);
        let before = boot_ns().saturating_sub(age);
        let mut flows = self.flows.lock();
        let old: Vec<_> = flows
            .iter()
            .filter_map(|entry| entry.ok())
            .filter(|(_, Plain(origin))| origin.at < before)
            .map(|(key, _)| key)
            .collect();
        // One that is gone by itself in the meantime is no matter.
        Ok(old.iter().filter(|key| flows.remove(key).is_ok()).count())
    }

    /// Whether connections of this job wait for the proxy's accept.
    #[must_use]
    pub fn has_flows(&self, job: JobTag) -> bool {
        let flows = self.flows.lock();
        let tcp = sluice_abi::PROTO_TCP;
        let waits = |(Plain(key), Plain(origin)): (Plain<FlowKey>, Plain<Origin>)| {
            key.protocol == tcp && origin.member.job == job.0
        };
        flows.iter().filter_map(Result::ok).any(waits)
    }

    /// All counters of the kernel side, by name.
    #[must_use]
    pub fn stats(&self) -> Vec<(&'static str, u64)> {
        Counter::ALL
            .iter()
            .map(|(counter, name)| (*name, self.counter(*counter)))
            .collect()
    }

    /// Hook by hook, whether our program is still there.
    #[must_use]
    pub fn hooks(&self) -> Vec<Hook> {
        self.attached.iter().map(Attached::hook).collect()
    }

    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        let values = self.stats.get(&(counter as u32), 0);
        values.map_or(0, |values| {
            values
                .iter()
                .fold(0, |sum, value| value.saturating_add(sum))
        })
    }
}

impl Origins for Capture {
    fn take(&self, peer: SocketAddr, transport: Transport) -> Option<kernel::Origin> {
        let key = Plain(flow_key(self.netns, peer, transport));
        let mut flows = self.flows.lock();
        let Plain(origin) = flows.get(&key, 0).ok()?;
        match transport {
            // Whoever removes it has it: it is given out once.
            Transport::Tcp => flows.remove(&key).ok()?,
            Transport::Udp => {}
        }
        Some(told(&origin))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if self.keep_on_drop {
            let _ = self.close_gate();
            return;
        }
        let withstood = self.end_handed_in();
        if !matches!(withstood, Ok(0)) {
            tracing::warn!(
                ?withstood,
                "what jobs wrote on connections of others may leave now"
            );
        }
        let _ = self.gate.lock().rest();
        self.attached.iter().for_each(Attached::detach);
        if let Err(error) = self.pins.remove() {
            tracing::warn!(%error, "pins of the kernel programs could not be removed");
        }
    }
}

/// Parses the object, sets its constants and makes or takes over its maps.
fn open(pins: &Bpffs, generation: u64, members_max: u32) -> Result<Ebpf, CaptureError> {
    let offsets = offsets::resolve()?;
    let mut loader = EbpfLoader::new();
    for (name, offset) in &offsets {
        loader.override_global(name, offset, true);
    }
    loader.override_global("GENERATION", &generation, true);
    loader.map_max_entries("PROCESSES", members_max);
    for map in PINNED_MAPS {
        loader.map_pin_path(map, pins.maps().join(map));
    }
    loader
        .load(object::bytes())
        .map_err(CaptureError::refused("the maps"))
}

fn typed<T: TryFrom<Map, Error = MapError>>(
    object: &mut Ebpf,
    name: &'static str,
) -> Result<T, CaptureError> {
    let map = object.take_map(name).ok_or(MapError::InvalidName {
        name: name.to_owned(),
    });
    map.and_then(T::try_from).map_err(CaptureError::map(name))
}

fn lock(state: &Path) -> Result<File, CaptureError> {
    let path = state.join("capture.lock");
    std::fs::create_dir_all(state).map_err(CaptureError::host(
        "could not make the state directory",
        state,
    ))?;
    let file =
        File::create(&path).map_err(CaptureError::host("could not make the lock file", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(CaptureError::InUse(state.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(CaptureError::Host {
            what: "could not lock",
            path,
            source,
        }),
    }
}
