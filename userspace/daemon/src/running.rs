//! A running gate: everything started in the order in which it is needed, and taken down in
//! the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use sluice_api::{ApiOptions, Server, socket_path};
use sluice_capture::{Capture, JobCgroup, Listeners as KernelListeners, Options};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::Recorder;
use sluice_flow::{BootId, LineageTable};
use sluice_proxy::{Listeners, Proxy, RunningJobs, Serving, StaticNames, Upstreams, serve};
use sluice_store::Store;

use crate::config::{Config, OnDaemonDown, Resolver};
use crate::control::{Gatehouse, Parts, Tenancy};
use crate::desk::PeopleDesk;
use crate::heart::Heart;
use crate::kernel::{Kernel, Pump, since_boot};
use crate::leftovers::{end_stale_jobs, remove_stale_probes};
use crate::worker::Worker;

/// The session log, below the state directory.
pub(crate) const LOG: &str = "log";

/// A running gate. Fields are dropped in their order: first nobody asks any more, then the
/// gate falls shut, then flows end, then the kernel side goes, last the record.
pub(crate) struct Running {
    _api: ApiThread,
    pub(crate) gatehouse: Arc<Gatehouse>,
    _serving: Serving,
    _pump: Pump,
    _probe_cgroup: JobCgroup,
    pub(crate) store: Arc<Store>,
}

impl Running {
    /// Starts everything; when it returns the gate is open and proved by the probe.
    ///
    /// `stays`: the kernel side stays in force when this is dropped, for a daemon that will
    /// be back; an embedded one takes it with it.
    pub(crate) fn start(state: &Path, config: Config, stays: bool) -> anyhow::Result<Self> {
        prepare_state(state)?;
        let store = Arc::new(Store::open(
            &state.join(LOG),
            sluice_store::Options::default(),
        )?);
        let recorder: Arc<dyn Recorder> = Arc::clone(&store) as Arc<dyn Recorder>;
        let capture = Arc::new(Capture::start(&Options {
            state: state.to_owned(),
            keep_on_drop: stays,
            open_when_down: config.on_daemon_down == OnDaemonDown::Allow,
            members_max: sluice_capture::MEMBERS_MAX,
        })?);
        if !stays {
            end_stale_jobs(&capture)?;
        }
        let jobs: Arc<RunningJobs> = Arc::default();
        let table = LineageTable::new(boot_id()?, boot_time()?);
        let kernel = Arc::new(Kernel::new(
            Arc::clone(&capture),
            table,
            Arc::clone(&jobs),
            Arc::clone(&recorder),
        ));
        let pump = Pump::start(Arc::clone(&kernel))?;

        let (listeners, ports) = Listeners::bind()?;
        let (names, upstreams) = resolver(&config.resolver);
        let mut proxy = Proxy::new(
            Arc::clone(&kernel) as _,
            Arc::clone(&kernel) as _,
            recorder,
            names,
            upstreams,
        );
        proxy.jobs = jobs;
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
        capture.add_runner(probe_cgroup.path(), JobTag::PROBE, true)?;
        let heart = Heart::start(Arc::clone(&capture), probe_cgroup.path().to_owned())?;

        let tenancy = if stays {
            Tenancy::Shared
        } else {
            Tenancy::OneJob
        };
        let parts = Parts {
            capture,
            kernel,
            proxy,
            store: Arc::clone(&store),
            heart,
        };
        let gatehouse = Arc::new(Gatehouse::new(state, config, parts, tenancy)?);
        gatehouse.take_runners_in()?;
        let api = ApiThread::start(state, &gatehouse)?;
        Ok(Self {
            _api: api,
            gatehouse,
            _serving: serving,
            _pump: pump,
            _probe_cgroup: probe_cgroup,
            store,
        })
    }
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
