//! The jobs of this host: what is known of each, and under which policies it runs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use parking_lot::{Mutex, RwLock};
use sluice_capture::{Capture, JobCgroup, Root, process_of};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::{JobRequest, JobTicket, Person};
use sluice_flow::{Job, JobId, ProcessId};
use sluice_policy::{Layer, PolicyName, PolicySet, Source};
use sluice_proxy::{RunningJob, RunningJobs};
use sluice_store::{Note, PolicyInForce, Store};

use crate::config::Config;
use crate::host::mask_key;
use crate::memory::{Kept, KeptPlace, Memory};
use crate::policies::{checked, named, sources_in};
use crate::runners::Runners;

/// Jobs that run at once; one more is not admitted.
pub(crate) const MAX_JOBS: usize = 1_024;

/// All of them.
pub(crate) struct Jobs {
    /// As the proxy sees them.
    pub(crate) running: Arc<RunningJobs>,
    pub(crate) capture: Arc<Capture>,
    pub(crate) store: Arc<Store>,
    /// Where they are kept for the next daemon; `None` where this gate goes with its job.
    pub(crate) memory: Option<Memory>,
    policies: RwLock<Vec<Source>>,
    mask_key: [u8; 32],
    next_tag: AtomicU64,
    pub(crate) admitted: Mutex<HashMap<JobId, Admitted>>,
    pub(crate) runners: Runners,
}

/// A job and what it takes with it when it ends.
pub(crate) struct Admitted {
    pub(crate) kept: Kept,
    pub(crate) place: Place,
}

/// Where a job's processes are.
pub(crate) enum Place {
    /// A cgroup that was made for it, and who runs it.
    Own {
        cgroup: JobCgroup,
        by: Option<ProcessId>,
    },
    /// The cgroup of a runner, which is not ours: it comes and goes.
    Runner,
}

impl Jobs {
    /// None yet, under the policies of the host.
    pub(crate) fn new(
        state: &Path,
        config: &Config,
        capture: Arc<Capture>,
        store: Arc<Store>,
        memory: Option<Memory>,
    ) -> anyhow::Result<Self> {
        let policies = sources_in(&config.policy.directory)?;
        checked(policies.clone())?;
        note_policies(&store, None, &policies)?;
        Ok(Self {
            running: Arc::default(),
            mask_key: mask_key(&state.join("mask.key"))?,
            next_tag: AtomicU64::new(first_tag(&capture)?),
            capture,
            store,
            memory,
            policies: RwLock::new(policies),
            admitted: Mutex::default(),
            runners: Runners::default(),
        })
    }

    /// Admits a job: in a cgroup of its own, enforced before anything runs in it.
    pub(crate) fn admit(
        &self,
        request: JobRequest,
        person: &Person,
        by: u32,
    ) -> anyhow::Result<JobTicket> {
        if self.admitted.lock().len() >= MAX_JOBS {
            bail!("{MAX_JOBS} jobs run already; wait until one ends");
        }
        let job = Job {
            id: JobId::new(),
            name: request.name,
            labels: request.labels,
            uid: person.uid,
        };
        let by = process_of(by);
        let cgroup = JobCgroup::create(&format!("job-{}", job.id))?;
        let kept = Kept {
            tag: self.new_tag(),
            job,
            secrets: request.secrets,
            policies: request.policies,
            names: Vec::new(),
            place: KeptPlace::Own {
                cgroup: cgroup.path().to_owned(),
                by,
            },
        };
        let ticket = JobTicket {
            id: kept.job.id,
            cgroup: cgroup.path().to_owned(),
        };
        self.take_on(kept, Place::Own { cgroup, by })?;
        Ok(ticket)
    }

    /// Takes a job on, or leaves nothing of it.
    pub(crate) fn take_on(&self, kept: Kept, place: Place) -> anyhow::Result<()> {
        match self.prepare(&kept, &place) {
            Ok(()) => {
                self.count_in(kept, place);
                Ok(())
            }
            Err(error) => {
                self.forget(&kept);
                Err(error)
            }
        }
    }

    /// Everything that makes a job one: the proxy knows it under the policy that applies to it,
    /// the next daemon will, and what is in its cgroup is a member.
    pub(crate) fn prepare(&self, kept: &Kept, place: &Place) -> anyhow::Result<()> {
        let running = self.running_job(kept)?;
        note_policies(&self.store, Some(kept.job.id), &sources_of(kept))?;
        if let Some(memory) = &self.memory {
            memory.keep(kept)?;
        }
        self.running.add(kept.tag, Arc::new(running));
        self.enforce(kept, place)
    }

    /// The job as the proxy and the record know it.
    pub(crate) fn running_job(&self, kept: &Kept) -> anyhow::Result<RunningJob> {
        let set = self.policy_set(sources_of(kept))?;
        let (job, secrets) = (kept.job.clone(), kept.secrets.clone());
        let policy = set.for_job(&job);
        let running = RunningJob::new(job, policy, secrets, self.mask_key)?;
        tie_names(&running, kept);
        Ok(running)
    }

    /// From now on it can be ended.
    pub(crate) fn count_in(&self, kept: Kept, place: Place) {
        let admitted = Admitted { kept, place };
        self.admitted.lock().insert(admitted.kept.job.id, admitted);
    }

    /// Registers the cgroup; one that is registered for this job already stays as it is. That of
    /// a runner is registered when it is there: `look_at_runners`.
    fn enforce(&self, kept: &Kept, place: &Place) -> anyhow::Result<()> {
        let Place::Own { cgroup, .. } = place else {
            return Ok(());
        };
        if self.capture.runners()?.contains(&(cgroup.id(), kept.tag)) {
            return Ok(());
        }
        let root = if cgroup.is_empty() {
            Root::First
        } else {
            Root::Never
        };
        Ok(self.capture.add_runner(cgroup.path(), kept.tag, root)?)
    }

    /// Takes a job out: what comes from it now is refused.
    pub(crate) fn forget(&self, kept: &Kept) {
        self.running.remove(kept.tag);
        if let Some(memory) = &self.memory {
            memory.forget(kept.job.id);
        }
    }

    /// Whether a job is there that was started, not found.
    pub(crate) fn has_own(&self) -> bool {
        let admitted = self.admitted.lock();
        admitted
            .values()
            .any(|admitted| matches!(admitted.place, Place::Own { .. }))
    }

    /// The host's policies, and those that came with a job.
    pub(crate) fn policy_set(&self, own: Vec<Source>) -> anyhow::Result<PolicySet> {
        let mut sources = self.policies.read().clone();
        sources.extend(own);
        checked(sources)
    }

    /// Reads and checks everything anew; only then is anything replaced.
    pub(crate) fn read_policies_again(
        &self,
        config: &Config,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let fresh = sources_in(&config.policy.directory)?;
        let mut replacements = Vec::new();
        let admitted = self.admitted.lock();
        for Admitted { kept, .. } in admitted.values() {
            let mut sources = fresh.clone();
            sources.extend(sources_of(kept));
            if let Some(running) = self.running.find(kept.tag) {
                let policy = checked(sources)?.for_job(&running.job);
                replacements.push((running, policy));
            }
        }
        let names = named(&checked(fresh.clone())?);
        note_policies(&self.store, None, &fresh)?;
        *self.policies.write() = fresh;
        for (running, policy) in replacements {
            running.replace_policy(policy);
        }
        Ok(names)
    }

    /// Keeps the texts of all that is in force again, because older ones went.
    pub(crate) fn note_in_force(&self) -> anyhow::Result<()> {
        note_policies(&self.store, None, &self.policies.read())?;
        for Admitted { kept, .. } in self.admitted.lock().values() {
            note_policies(&self.store, Some(kept.job.id), &sources_of(kept))?;
        }
        Ok(())
    }

    pub(crate) fn new_tag(&self) -> JobTag {
        JobTag(self.next_tag.fetch_add(1, Ordering::Relaxed))
    }

    /// Keeps what the jobs resolved: who has an address already does not ask for the name again.
    fn keep_names(&self, memory: &Memory, kept: &mut Kept) {
        let Some(running) = self.running.find(kept.tag) else {
            return;
        };
        let names = running.names.all(Instant::now());
        let seconds = |(address, name, left): (_, _, Duration)| (address, name, left.as_secs());
        kept.names = names.into_iter().map(seconds).collect();
        if let Err(error) = memory.keep(kept) {
            tracing::error!("names that a job resolved are forgotten: {error:#}");
        }
    }
}

impl Drop for Jobs {
    /// A daemon will be back: jobs go on, refused meanwhile. An embedded gate takes its own
    /// with it.
    fn drop(&mut self) {
        let Some(memory) = self.memory.clone() else {
            return;
        };
        let admitted = std::mem::take(&mut *self.admitted.lock());
        for (_, mut admitted) in admitted {
            self.keep_names(&memory, &mut admitted.kept);
            match admitted.place {
                Place::Own { cgroup, .. } => cgroup.leave(),
                Place::Runner => {}
            }
        }
    }
}

/// Tags outlive the daemon in pinned maps and in processes: none is given twice in a boot, also
/// where the clock was set back.
fn first_tag(capture: &Capture) -> anyhow::Result<u64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock of the host is off")?;
    let now = u64::try_from(now.as_nanos())?;
    let of_cgroups = capture.runners()?.into_iter().map(|(_, tag)| tag);
    let of_members = capture.all_members()?.into_iter().map(|actor| actor.job);
    let used = of_cgroups
        .chain(of_members)
        .filter(|tag| *tag != JobTag::PROBE);
    let last = used.map(|tag| tag.0).max().unwrap_or_default();
    Ok(now.max(last.saturating_add(1)))
}

fn tie_names(running: &RunningJob, kept: &Kept) {
    let now = Instant::now();
    for (address, name, seconds) in &kept.names {
        let left = Duration::from_secs(*seconds);
        if !running.names.tie(*address, name, left, now) {
            tracing::warn!(job = %kept.job.id, name, "a name that it resolved is forgotten");
        }
    }
}

/// The policies that came with a job.
pub(crate) fn sources_of(kept: &Kept) -> Vec<Source> {
    let source = |(file, text): &(String, String)| Source {
        layer: Layer::Repository,
        file: file.clone(),
        text: text.clone(),
    };
    kept.policies.iter().map(source).collect()
}

/// Keeps which policies are in force, and their texts under their digests, so that an old
/// verdict can be explained.
fn note_policies(store: &Store, job: Option<JobId>, sources: &[Source]) -> anyhow::Result<()> {
    let mut policies = Vec::new();
    for PolicyName {
        layer,
        name,
        file,
        digest,
    } in checked(sources.to_vec())?.names()
    {
        let text = sources.iter().find(|source| source.file == file);
        let text = text.map(|source| source.text.clone()).unwrap_or_default();
        store.note(Note::Policy {
            name,
            digest: digest.clone(),
            text,
        })?;
        policies.push(PolicyInForce {
            layer: layer.word().to_owned(),
            file,
            digest,
        });
    }
    store.note(Note::InForce { job, policies })?;
    Ok(())
}
