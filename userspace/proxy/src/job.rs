//! The jobs that run: what is known of each, and what their records are masked with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use sluice_flow::kernel::JobTag;
use sluice_flow::{Exec, ExecId, Job, Lineage, NoDigest};
use sluice_masking::{Detector, Hits, MaskRule, Masker, Strategy};
use sluice_policy::JobPolicy;
use tokio::sync::Semaphore;

use crate::error::ProxyError;
use crate::limits::{MAX_COMPILED_MASKS, MAX_MASKED_EXECS};
use crate::names::Names;

/// One running job.
pub struct RunningJob {
    /// Who it is.
    pub job: Job,
    /// The names that it resolved.
    pub names: Names,
    policy: RwLock<Arc<JobPolicy>>,
    /// Grows with every change of the policy: flows that see another number judge anew.
    version: AtomicU64,
    secrets: Vec<String>,
    mask_key: [u8; 32],
    record_masker: Masker,
    masked_execs: Mutex<HashMap<ExecId, Arc<Exec>>>,
    compiled: Mutex<Vec<(Vec<MaskRule>, Arc<Masker>)>>,
    open_flows: AtomicUsize,
    /// A job hashes one file at a time, so that it cannot take the processors from others.
    pub(crate) hashing: Arc<Semaphore>,
}

/// An open flow of a job, counted for as long as this lives.
pub(crate) struct OpenFlow {
    job: Arc<RunningJob>,
}

impl Drop for OpenFlow {
    fn drop(&mut self) {
        self.job.open_flows.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RunningJob {
    /// A job under `policy`. `secrets` are masked wherever they appear, in every record and
    /// on every masked route; `mask_key` is the host's key for hashes and tokens.
    ///
    /// # Errors
    /// When a secret cannot be masked: too short to be told from other text.
    pub fn new(
        job: Job,
        policy: Arc<JobPolicy>,
        secrets: Vec<String>,
        mask_key: [u8; 32],
    ) -> Result<Self, ProxyError> {
        let record_rule = MaskRule {
            name: "record".to_owned(),
            detect: vec![Detector::Secret],
            columns: Vec::new(),
            json_keys: Vec::new(),
            strategy: Strategy::Redact,
        };
        let record_masker = Masker::compile(&[record_rule], &secrets, &mask_key)?;
        Ok(Self {
            job,
            names: Names::default(),
            policy: RwLock::new(policy),
            version: AtomicU64::new(0),
            secrets,
            mask_key,
            record_masker,
            masked_execs: Mutex::default(),
            compiled: Mutex::default(),
            open_flows: AtomicUsize::new(0),
            hashing: Arc::new(Semaphore::new(1)),
        })
    }

    /// Counts a flow of this job until the guard is dropped.
    pub(crate) fn open_flow(self: &Arc<Self>) -> OpenFlow {
        self.open_flows.fetch_add(1, Ordering::AcqRel);
        OpenFlow {
            job: Arc::clone(self),
        }
    }

    /// Flows of this job that are open.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.open_flows.load(Ordering::Acquire)
    }

    /// The policy in force and its number.
    #[must_use]
    pub fn policy(&self) -> (u64, Arc<JobPolicy>) {
        let policy = self.policy.read();
        (self.version.load(Ordering::Acquire), Arc::clone(&policy))
    }

    /// The number of the policy in force: cheaper than [`Self::policy`] where only a change
    /// is of interest.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts another policy in force; live flows are judged by it from their next operation on.
    pub fn replace_policy(&self, policy: Arc<JobPolicy>) {
        let mut current = self.policy.write();
        *current = policy;
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// For how many seconds records of the job are kept; `None`: for good.
    #[must_use]
    pub fn keep(&self) -> Option<u64> {
        self.policy.read().keep().map(|keep| keep.as_secs())
    }

    /// Text as records keep it.
    #[must_use]
    pub fn masked_text(&self, text: &str) -> String {
        self.record_masker
            .mask_text(text, &mut Hits::new())
            .into_owned()
    }

    /// A lineage as records keep it: secrets in arguments masked.
    #[must_use]
    pub fn masked_lineage(&self, lineage: &Lineage) -> Lineage {
        let mut known = self.masked_execs.lock();
        if known.len() >= MAX_MASKED_EXECS {
            known.clear();
        }
        let execs = lineage.execs.iter().map(|exec| {
            let masked = known
                .entry(exec.id)
                .or_insert_with(|| Arc::new(self.masked_exec(exec)));
            // What is in its file may have been found out since.
            if told_of_file(masked) != told_of_file(exec) {
                *masked = Arc::new(self.masked_exec(exec));
            }
            Arc::clone(masked)
        });
        Lineage {
            execs: execs.collect(),
            complete: lineage.complete,
        }
    }

    fn masked_exec(&self, exec: &Exec) -> Exec {
        Exec {
            argv: self.record_masker.mask_argv(&exec.argv, &mut Hits::new()),
            image: None,
            ..exec.clone()
        }
    }

    /// The masker for `rules` and the job's own secrets, compiled once; `None` where there is
    /// nothing to mask.
    ///
    /// # Errors
    /// When a rule's pattern does not compile.
    pub fn masker(&self, rules: Vec<MaskRule>) -> Result<Option<Arc<Masker>>, ProxyError> {
        if rules.is_empty() && self.secrets.is_empty() {
            return Ok(None);
        }
        let mut compiled = self.compiled.lock();
        if let Some((_, masker)) = compiled.iter().find(|(of, _)| *of == rules) {
            return Ok(Some(Arc::clone(masker)));
        }
        if compiled.len() >= MAX_COMPILED_MASKS {
            compiled.clear();
        }
        let masker = Arc::new(Masker::compile(&rules, &self.secrets, &self.mask_key)?);
        compiled.push((rules, Arc::clone(&masker)));
        Ok(Some(masker))
    }
}

fn told_of_file(exec: &Exec) -> (Option<&str>, Option<NoDigest>) {
    (exec.exe_sha256.as_deref(), exec.exe_sha256_unknown)
}

/// The jobs that run, by the tag that the kernel side knows them by.
#[derive(Default)]
pub struct RunningJobs {
    by_tag: RwLock<HashMap<JobTag, Arc<RunningJob>>>,
}

impl RunningJobs {
    /// Adds a job.
    pub fn add(&self, tag: JobTag, job: Arc<RunningJob>) {
        self.by_tag.write().insert(tag, job);
    }

    /// Takes a job out; its flows that are open go on to their end.
    pub fn remove(&self, tag: JobTag) -> Option<Arc<RunningJob>> {
        self.by_tag.write().remove(&tag)
    }

    /// The job behind a tag.
    #[must_use]
    pub fn find(&self, tag: JobTag) -> Option<Arc<RunningJob>> {
        self.by_tag.read().get(&tag).cloned()
    }

    /// All of them with their tags, by start.
    #[must_use]
    pub fn all(&self) -> Vec<(JobTag, Arc<RunningJob>)> {
        let mut all: Vec<_> = self
            .by_tag
            .read()
            .iter()
            .map(|(tag, job)| (*tag, Arc::clone(job)))
            .collect();
        all.sort_by_key(|(_, running)| running.job.id);
        all
    }
}
