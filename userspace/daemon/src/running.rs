//! A running gate: everything started in the order in which it is needed, and taken down in
//! the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use sluice_api::{ApiOptions, Server, socket_path};
use sluice_capture::{
    Capture, ImageDigests, JobCgroup, Listeners as KernelListeners, Options, Root,
};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::Recorder;
use sluice_flow::{BootId, LineageTable};
use sluice_proxy::{Listeners, Proxy, Serving, StaticNames, Upstreams, serve};
use sluice_store::{Note, Store};

use crate::config::{Config, OnDaemonDown, Resolver};
use crate::control::{Gatehouse, Parts, Tenancy};
use crate::desk::PeopleDesk;
use crate::ending::Watch;
use crate::heart::Heart;
use crate::jobs::Jobs;
use crate::kernel::{Keeper, Kernel, Pump, since_boot};
use crate::leftovers::{end_stale_jobs, remove_stale_probes};
use crate::memory::Memory;
use crate::restored::Restored;
use crate::runner_watch::RunnerWatch;
use crate::worker::Worker;

/// The session log, below the state directory.
pub(crate) const LOG: &str = "log";

/// A running gate. Fields are dropped in their order: first nobody asks any more, then the
/// gate falls shut, then flows end, then the kernel side goes, last the record.
pub(crate) struct Running {
    _api: ApiThread,
    _watch: Watch,
    _runner_watch: Option<RunnerWatch>,
    pub(crate) gatehouse: Arc<Gatehouse>,
    _serving: Serving,
    _pump: Pump,
    _keeper: Option<Keeper>,
    _probe_cgroup: JobCgroup,
    _end: End,
    pub(crate) store: Arc<Store>,
}

impl Running {
    /// Starts everything; when it returns the gate is open and proved by the probe.
    ///
    /// `tenancy`: a daemon's kernel side and its jobs stay when this is dropped, for the daemon
    /// that comes after; an embedded gate takes all of it with it.
    pub(crate) fn start(state: &Path, config: Config, tenancy: Tenancy) -> anyhow::Result<Self> {
        prepare_state(state)?;
        let store = Arc::new(Store::open(
            &state.join(LOG),
            sluice_store::Options::default(),
        )?);
        store.note(Note::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
        })?;
        let recorder: Arc<dyn Recorder> = Arc::clone(&store) as Arc<dyn Recorder>;
        let stays = tenancy == Tenancy::Shared;
        let capture = Arc::new(Capture::start(&Options {
            state: state.to_owned(),
            keep_on_drop: stays,
            open_when_down: config.on_daemon_down == OnDaemonDown::Allow,
            members_max: sluice_capture::MEMBERS_MAX,
        })?);
        let TakenOver {
            jobs,
            restored,
            kernel,
            keeper,
        } = TakenOver::by(state, &config, tenancy, &capture, &store)?;
        let pump = Pump::start(Arc::clone(&kernel))?;

        let (listeners, ports) = Listeners::bind()?;
        let (names, upstreams) = resolver(&config.resolver);
        let mut proxy = Proxy::new(
            Arc::clone(&kernel) as _,
            Arc::clone(&kernel) as _,
            Arc::new(ImageDigests::default()),
            recorder,
            names,
            upstreams,
        );
        proxy.jobs = Arc::clone(&jobs.running);
        let proxy = Arc::new(proxy);
        let serving = serve(&proxy, &listeners, config.serving_threads())?;
        capture.listen(KernelListeners {
            proxy_v4: ports.tcp4,
            proxy_v6: ports.tcp6,
            dns_v4: ports.dns4,
            dns_v6: ports.dns6,
        })?;

        remove_stale_probes(capture.cgroup_root());
        let probe_cgroup = JobCgroup::create(&format!("probe-{}", std::process::id()))?;
        capture.add_runner(probe_cgroup.path(), JobTag::PROBE, Root::First)?;
        let heart = Heart::start(
            Arc::clone(&capture),
            Arc::clone(&store),
            probe_cgroup.path().to_owned(),
        )?;

        let parts = Parts {
            capture,
            kernel,
            proxy,
            store: Arc::clone(&store),
            jobs,
            restored,
            heart,
        };
        let gatehouse = Arc::new(Gatehouse::new(config, parts, tenancy));
        let runner_watch = RunnerWatch::start(Arc::clone(&gatehouse))?;
        let watch = Watch::start(Arc::clone(&gatehouse))?;
        let api = ApiThread::start(state, &gatehouse)?;
        Ok(Self {
            _api: api,
            _watch: watch,
            _runner_watch: runner_watch,
            gatehouse,
            _serving: serving,
            _pump: pump,
            _keeper: keeper,
            _probe_cgroup: probe_cgroup,
            _end: End {
                store: Arc::clone(&store),
                tenancy,
            },
            store,
        })
    }
}

/// Puts a planned end on record, behind all that it ends.
struct End {
    store: Arc<Store>,
    tenancy: Tenancy,
}

impl Drop for End {
    fn drop(&mut self) {
        let reason = match self.tenancy {
            Tenancy::Shared => "the daemon was told to end",
            Tenancy::OneJob => "the job of this gate ended",
        };
        let reason = reason.to_owned();
        if let Err(error) = self.store.note(Note::Stopped { reason }) {
            tracing::warn!(%error, "the end is not in the record");
        }
    }
}

/// What the daemon before this one knew, as far as it can be known.
struct TakenOver {
    jobs: Jobs,
    restored: Restored,
    kernel: Arc<Kernel>,
    keeper: Option<Keeper>,
}

impl TakenOver {
    /// Jobs first: what happened while no daemon was there is told of them.
    fn by(
        state: &Path,
        config: &Config,
        tenancy: Tenancy,
        capture: &Arc<Capture>,
        store: &Arc<Store>,
    ) -> anyhow::Result<Self> {
        let memory = memory(state, tenancy, capture)?;
        let (for_jobs, of_jobs) = (Arc::clone(capture), Arc::clone(store));
        let jobs = Jobs::new(state, config, for_jobs, of_jobs, memory.clone())?;
        let (going_on, over) = jobs.restore(config)?;
        let (table, known) = lineage(memory.as_ref())?;
        let kernel = Arc::new(Kernel::new(
            Arc::clone(capture),
            table,
            Arc::clone(&jobs.running),
            Arc::clone(store),
        ));
        let keeper = memory.map(|memory| Keeper {
            kernel: Arc::clone(&kernel),
            memory,
        });
        let restored = Restored {
            jobs: going_on,
            lineage: known.is_some(),
            found: kernel.recover(known.unwrap_or_default())?,
        };
        over.iter().for_each(|kept| jobs.forget(kept));
        Ok(Self {
            jobs,
            restored,
            kernel,
            keeper,
        })
    }
}

/// What is kept for the daemon that comes after. An embedded gate has none: it ends what was
/// left of jobs, and forgets them.
fn memory(
    state: &Path,
    tenancy: Tenancy,
    capture: &Arc<Capture>,
) -> anyhow::Result<Option<Memory>> {
    match tenancy {
        Tenancy::Shared => Ok(Some(Memory::open(state)?)),
        Tenancy::OneJob => {
            end_stale_jobs(capture)?;
            Memory::remove(state)?;
            Ok(None)
        }
    }
}

/// The lineage of the daemon before, and how many events it had lost; `None` where nothing of it
/// is known.
fn lineage(memory: Option<&Memory>) -> anyhow::Result<(LineageTable, Option<u64>)> {
    let (boot, boot_time) = (boot_id()?, boot_time()?);
    let kept = memory.and_then(Memory::take_lineage);
    let known = kept.and_then(|kept| {
        let lost = kept.lost;
        LineageTable::restored(kept, boot, boot_time).map(|table| (table, Some(lost)))
    });
    Ok(known.unwrap_or_else(|| (LineageTable::new(boot, boot_time), None)))
}

/// Makes the state directory: others may pass to the API's socket, and see nothing else.
fn prepare_state(state: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let create = std::fs::create_dir_all(state);
    create.with_context(|| format!("cannot make the state directory {}", state.display()))?;
    let mode = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(state, mode)
        .with_context(|| format!("cannot set the mode of {}", state.display()))
}

fn boot_id() -> anyhow::Result<BootId> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    text.trim()
        .parse()
        .with_context(|| format!("{path} holds no id"))
}

/// The wall-clock time of the boot.
fn boot_time() -> anyhow::Result<Timestamp> {
    let up = SignedDuration::from_nanos(i64::try_from(since_boot())?);
    let now = Timestamp::try_from(SystemTime::now()).context("the clock of the host is off")?;
    now.checked_sub(up).context("the clock of the host is off")
}

/// What the host's owner says of names, and whom to ask for the others.
fn resolver(config: &Resolver) -> (StaticNames, Upstreams) {
    let mut names = StaticNames::default();
    names.add_hosts_file(&std::fs::read_to_string("/etc/hosts").unwrap_or_default());
    for (name, addresses) in &config.hosts {
        addresses
            .iter()
            .for_each(|address| names.add(name, *address));
    }
    let upstreams = if config.upstream.is_empty() {
        Upstreams::of_resolv_conf(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    } else {
        Upstreams(config.upstream.clone())
    };
    (names, upstreams)
}

/// The API on a thread of its own: what people ask for never waits behind flows.
struct ApiThread {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    _worker: Worker,
}

impl ApiThread {
    fn start(state: &Path, gatehouse: &Arc<Gatehouse>) -> anyhow::Result<Self> {
        let options = ApiOptions {
            socket: socket_path(state),
            admin_group: gatehouse.config().api.admin_group.clone(),
        };
        let members = Arc::clone(gatehouse);
        let ports = sluice_api::Ports {
            sessions: Arc::clone(gatehouse.store()) as _,
            desk: Arc::new(PeopleDesk::of(gatehouse)),
            control: Arc::clone(gatehouse) as _,
            is_member: Arc::new(move |pid| members.is_member(pid)),
        };
        let server = Server::bind(options, ports)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot make a runtime")?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = move || {
            let stopped = async move {
                // A dropped sender stops as well.
                let _ = stopped.await;
            };
            if let Err(error) = runtime.block_on(server.run(stopped)) {
                tracing::error!(%error, "the API is not served");
            }
        };
        Ok(Self {
            stop: Some(stop),
            _worker: Worker::start("sluice-api", serve)?,
        })
    }
}

impl Drop for ApiThread {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// Where the state is kept unless said otherwise.
#[must_use]
pub fn default_state() -> PathBuf {
    PathBuf::from("/var/lib/sluice")
}
