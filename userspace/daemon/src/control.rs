//! What the API asks the daemon for: jobs in and out, state, reload, explain.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use parking_lot::{Mutex, RwLock};
use sluice_capture::{Capture, CaptureError, JobCgroup};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::{
    Control, Enforcement, JobRequest, JobTicket, Person, Sessions as _, Status,
};
use sluice_flow::{Event, EventKind, Job, JobId, SessionId};
use sluice_policy::{Layer, PolicySet, Source};
use sluice_proxy::{Proxy, RunningJob};
use sluice_store::{Note, Store};

use crate::config::{Config, OnDaemonDown};
use crate::explain::explain;
use crate::heart::Heart;
use crate::host::{NOT_ENFORCED, lacking, mask_key, runner_cgroup};
use crate::kernel::Kernel;
use crate::policies::{checked, sources_in};

/// Jobs that run at once; one more is not admitted.
pub(crate) const MAX_JOBS: usize = 1_024;

/// The parts of a running gate.
pub(crate) struct Parts {
    pub(crate) capture: Arc<Capture>,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) store: Arc<Store>,
    pub(crate) heart: Heart,
}

/// A running gate as the API asks it for things.
pub(crate) struct Gatehouse {
    config: Config,
    parts: Parts,
    mask_key: [u8; 32],
    policies: RwLock<Vec<Source>>,
    next_tag: AtomicU64,
    admitted: Mutex<HashMap<JobId, Admitted>>,
    tenancy: Tenancy,
}

/// For how many jobs a gate is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenancy {
    /// A daemon's: for all that come.
    Shared,
    /// That of one `sluice run`: it goes when its job ends, so no other may depend on it.
    OneJob,
}

/// A job and what it takes with it when it ends.
struct Admitted {
    tag: JobTag,
    place: Place,
    /// Policies that came with it.
    policies: Vec<Source>,
}

/// Where a job's processes are.
enum Place {
    /// A cgroup that was made for it.
    Own(JobCgroup),
    /// The cgroup of a runner: it was there before us and stays.
    Runner,
}

impl Gatehouse {
    pub(crate) fn new(
        state: &Path,
        config: Config,
        parts: Parts,
        tenancy: Tenancy,
    ) -> anyhow::Result<Self> {
        let policies = sources_in(&config.policy.directory)?;
        checked(policies.clone())?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        parts.store.note(Note::Started {
            version,
            pid: std::process::id(),
        })?;
        note_policies(&parts.store, &policies)?;
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .context("the clock of the host is off")?;
        Ok(Self {
            mask_key: mask_key(&state.join("mask.key"))?,
            config,
            parts,
            policies: RwLock::new(policies),
            // Tags outlive the daemon in pinned maps: a later one must not give them again.
            next_tag: AtomicU64::new(u64::try_from(started.as_nanos())?),
            admitted: Mutex::default(),
            tenancy,
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn proxy(&self) -> &Arc<Proxy> {
        &self.parts.proxy
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.parts.store
    }

    /// Whether the process belongs to a job: it gets no answer of the API.
    pub(crate) fn is_member(&self, pid: u32) -> bool {
        self.parts.kernel.is_member(pid)
    }

    /// Makes members of what runs in the runners' cgroups, now and later.
    pub(crate) fn take_runners_in(&self) -> anyhow::Result<()> {
        for runner in &self.config.runner {
            let cgroup = runner_cgroup(runner, self.parts.capture.cgroup_root())?;
            let job = Job {
                id: JobId::new(),
                name: runner.name.clone(),
                labels: runner.labels.clone(),
                uid: 0,
            };
            let tag = self.register(&job, &[], Vec::new())?;
            self.parts.capture.add_runner(&cgroup, tag, false)?;
            let admitted = Admitted {
                tag,
                place: Place::Runner,
                policies: Vec::new(),
            };
            self.admitted.lock().insert(job.id, admitted);
            tracing::info!(runner = %runner.name, cgroup = %cgroup.display(), "enforced");
        }
        Ok(())
    }

    /// Admits a job: in a cgroup of its own, enforced before anything runs in it.
    fn admit(&self, request: JobRequest, person: &Person) -> anyhow::Result<JobTicket> {
        if !self.parts.heart.is_open() {
            bail!("the gate is shut because its probe fails; `sluice status` says where");
        }
        if self.admitted.lock().len() >= MAX_JOBS {
            bail!("{MAX_JOBS} jobs run already; wait until one ends");
        }
        if self.tenancy == Tenancy::OneJob && self.has_own_job() {
            bail!(
                "another `sluice run` has this state directory, and its gate goes when its job \
                 ends: start `sluice daemon` for several jobs at once, or give this one a --state \
                 of its own"
            );
        }
        let JobRequest {
            name,
            labels,
            secrets,
            policies,
        } = request;
        let job = Job {
            id: JobId::new(),
            name,
            labels,
            uid: person.uid,
        };
        let source = |(file, text)| Source {
            layer: Layer::Repository,
            file,
            text,
        };
        let policies: Vec<Source> = policies.into_iter().map(source).collect();
        let tag = self.register(&job, &policies, secrets)?;
        match self.own_cgroup(&job, tag) {
            Ok(cgroup) => {
                let ticket = JobTicket {
                    id: job.id,
                    cgroup: cgroup.path().to_owned(),
                };
                let admitted = Admitted {
                    tag,
                    place: Place::Own(cgroup),
                    policies,
                };
                self.admitted.lock().insert(job.id, admitted);
                Ok(ticket)
            }
            Err(error) => {
                self.parts.proxy.jobs.remove(tag);
                Err(error)
            }
        }
    }

    fn has_own_job(&self) -> bool {
        let admitted = self.admitted.lock();
        admitted
            .values()
            .any(|admitted| matches!(admitted.place, Place::Own(_)))
    }

    fn own_cgroup(&self, job: &Job, tag: JobTag) -> anyhow::Result<JobCgroup> {
        let cgroup = JobCgroup::create(&format!("job-{}", job.id))?;
        self.parts.capture.add_runner(cgroup.path(), tag, true)?;
        Ok(cgroup)
    }

    /// Makes the proxy know a job, under the policy that applies to it.
    fn register(
        &self,
        job: &Job,
        own_policies: &[Source],
        secrets: Vec<String>,
    ) -> anyhow::Result<JobTag> {
        let set = self.policy_set(own_policies.to_vec())?;
        note_policies(&self.parts.store, own_policies)?;
        let tag = JobTag(self.next_tag.fetch_add(1, Ordering::Relaxed));
        let running = RunningJob::new(job.clone(), set.for_job(job), secrets, self.mask_key)?;
        self.parts.proxy.jobs.add(tag, Arc::new(running));
        Ok(tag)
    }

    fn policy_set(&self, own_policies: Vec<Source>) -> anyhow::Result<PolicySet> {
        let mut sources = self.policies.read().clone();
        sources.extend(own_policies);
        checked(sources)
    }

    /// Ends a job: its flows may go on for `grace`, then what is left of it is killed.
    fn release(&self, job: JobId, grace: Duration) -> anyhow::Result<()> {
        let Some(admitted) = self.admitted.lock().remove(&job) else {
            bail!("no job {job} runs");
        };
        if let Place::Own(cgroup) = admitted.place {
            let begun = Instant::now();
            let capture = &self.parts.capture;
            // What left the cgroup is the job's all the same: without us it would be free.
            let lives =
                || Ok::<_, CaptureError>(!cgroup.is_empty() || capture.has_members(admitted.tag)?);
            while begun.elapsed() < grace && lives()? {
                std::thread::sleep(Duration::from_millis(5));
            }
            if lives()? {
                tracing::info!(%job, "what the job left behind is killed");
                cgroup.kill()?;
                if !capture.kill_members(admitted.tag)? {
                    tracing::error!(%job, "processes of the job withstand SIGKILL");
                }
            }
            let running = self.parts.proxy.jobs.find(admitted.tag);
            let flows = || {
                let open = running.as_ref().map_or(0, |running| running.open_flows());
                open > 0 || capture.has_flows(admitted.tag)
            };
            // Nobody is left to wait for an answer; what was asked is still put on record.
            let ended = Instant::now();
            while flows() && ended.elapsed() < grace {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.parts.kernel.settle();
            capture.remove_runner(cgroup.id())?;
        }
        self.parts.proxy.jobs.remove(admitted.tag);
        self.parts.proxy.desk.forget_job(job);
        Ok(())
    }

    /// Reads and checks everything anew; only then is anything replaced.
    fn read_policies_again(&self) -> anyhow::Result<Vec<(String, String)>> {
        let fresh = sources_in(&self.config.policy.directory)?;
        let mut replacements = Vec::new();
        let admitted = self.admitted.lock();
        for own in admitted.values() {
            let mut sources = fresh.clone();
            sources.extend(own.policies.clone());
            if let Some(running) = self.parts.proxy.jobs.find(own.tag) {
                let policy = checked(sources)?.for_job(&running.job);
                replacements.push((running, policy));
            }
        }
        let names = named(&checked(fresh.clone())?);
        note_policies(&self.parts.store, &fresh)?;
        *self.policies.write() = fresh;
        for (running, policy) in replacements {
            running.replace_policy(policy);
        }
        Ok(names)
    }

    /// The policies that came with the job of a session: as they are where it still runs, as
    /// the log keeps them under the digests of its verdicts where it has ended.
    fn policies_of(&self, events: &[Event]) -> Vec<Source> {
        let job = events.iter().find_map(|event| match &event.kind {
            EventKind::Opened(opened) => opened.job.as_ref().map(|job| job.id),
            _ => None,
        });
        if let Some(admitted) = job.and_then(|job| self.policies_while_it_runs(job)) {
            return admitted;
        }
        let base = self
            .policy_set(Vec::new())
            .map(|set| named(&set))
            .unwrap_or_default();
        let mut sources: Vec<Source> = Vec::new();
        for event in events {
            let EventKind::Verdict { because, .. } = &event.kind else {
                continue;
            };
            let digest = &because.digest;
            let known = base.iter().any(|(_, of)| of == digest)
                || sources.iter().any(|source| source.file == *digest);
            if let (false, Ok(Some(text))) = (known, self.parts.store.policy_text(digest)) {
                sources.push(Source {
                    layer: Layer::Repository,
                    file: digest.clone(),
                    text,
                });
            }
        }
        sources
    }

    fn policies_while_it_runs(&self, job: JobId) -> Option<Vec<Source>> {
        self.admitted
            .lock()
            .get(&job)
            .map(|admitted| admitted.policies.clone())
    }

    fn enforcement(&self) -> Vec<Enforcement> {
        let mut lines: Vec<Enforcement> = self
            .parts
            .capture
            .hooks()
            .into_iter()
            .map(|hook| Enforcement {
                what: format!("hook {}", hook.name),
                enforced: hook.attached,
                detail: match (hook.known, hook.attached) {
                    (_, true) => format!("attached, program {} link {}", hook.program, hook.link),
                    (true, false) => {
                        "not attached: somebody detached it; restart the daemon".to_owned()
                    }
                    (false, false) => lacking(hook.name),
                },
            })
            .collect();
        lines.extend(self.parts.heart.try_all());
        lines.push(Enforcement {
            what: "refusal while the daemon is away".to_owned(),
            enforced: self.config.on_daemon_down == OnDaemonDown::Deny,
            detail: match self.config.on_daemon_down {
                OnDaemonDown::Deny => "links are pinned, the default is deny".to_owned(),
                OnDaemonDown::Allow => {
                    "on_daemon_down = \"allow\": connections go out unseen".to_owned()
                }
            },
        });
        lines.extend(NOT_ENFORCED.map(|(what, detail)| Enforcement {
            what: what.to_owned(),
            enforced: false,
            detail: detail.to_owned(),
        }));
        lines
    }
}

impl Control for Gatehouse {
    fn status(&self) -> Status {
        let mut counters: Vec<(String, u64)> = self
            .parts
            .capture
            .stats()
            .into_iter()
            .map(|(name, n)| (name.to_owned(), n))
            .collect();
        counters.push(("lineage_events_lost".to_owned(), self.parts.kernel.lost()));
        let left_out = self.parts.kernel.refusals_left_out.load(Ordering::Relaxed);
        let questions = &self.parts.proxy.refusals.left_out;
        let left_out = left_out.saturating_add(questions.load(Ordering::Relaxed));
        counters.push(("refusals_not_recorded_one_by_one".to_owned(), left_out));
        let over = self.parts.proxy.over_limit.load(Ordering::Relaxed);
        counters.push(("flows_over_limit".to_owned(), over));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            open: self.parts.heart.is_open(),
            enforcement: self.enforcement(),
            jobs: self
                .parts
                .proxy
                .jobs
                .all()
                .into_iter()
                .map(|(_, r)| r.job.clone())
                .collect(),
            policies: self
                .policy_set(Vec::new())
                .map(|set| named(&set))
                .unwrap_or_default(),
            flows: self.parts.proxy.flows.load(Ordering::Relaxed) as u64,
            counters,
        }
    }

    fn start_job(&self, request: JobRequest, person: &Person) -> Result<JobTicket, String> {
        self.admit(request, person)
            .map_err(|error| format!("{error:#}"))
    }

    fn end_job(&self, job: JobId, grace: Duration) -> Result<(), String> {
        self.release(job, grace)
            .map_err(|error| format!("{error:#}"))
    }

    fn reload(&self) -> Result<Vec<(String, String)>, String> {
        self.read_policies_again()
            .map_err(|error| format!("{error:#}"))
    }

    fn explain(&self, session: SessionId) -> Result<String, String> {
        let store = &self.parts.store;
        let events = store.events(session).map_err(|error| error.to_string())?;
        let own = self.policies_of(&events);
        let set = self.policy_set(own).map_err(|error| format!("{error:#}"))?;
        explain(&events, &set)
    }
}

/// Keeps the text of policies under their digests, so that an old verdict can be explained.
fn note_policies(store: &Store, sources: &[Source]) -> anyhow::Result<()> {
    for name in checked(sources.to_vec())?.names() {
        let text = sources.iter().find(|source| source.file == name.file);
        let text = text.map(|source| source.text.clone()).unwrap_or_default();
        store.note(Note::Policy {
            name: name.name,
            digest: name.digest,
            text,
        })?;
    }
    Ok(())
}

fn named(set: &PolicySet) -> Vec<(String, String)> {
    set.names()
        .into_iter()
        .map(|policy| (policy.name, policy.digest))
        .collect()
}
