//! What the API asks the daemon for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use sluice_capture::Capture;
use sluice_flow::ports::{Control, JobRequest, JobTicket, Person, Sessions as _, Status};
use sluice_flow::{JobId, SessionId};
use sluice_proxy::Proxy;
use sluice_store::Store;

use crate::config::Config;
use crate::explain::explain;
use crate::heart::Heart;
use crate::jobs::Jobs;
use crate::kernel::Kernel;
use crate::restored::Restored;

/// The parts of a running gate.
pub(crate) struct Parts {
    pub(crate) capture: Arc<Capture>,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) store: Arc<Store>,
    pub(crate) jobs: Jobs,
    pub(crate) restored: Restored,
    pub(crate) heart: Heart,
}

/// A running gate as the API asks it for things.
pub(crate) struct Gatehouse {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
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

impl Gatehouse {
    pub(crate) fn new(config: Config, parts: Parts, tenancy: Tenancy) -> Self {
        Self {
            config,
            parts,
            tenancy,
        }
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

    fn admit(&self, request: JobRequest, person: &Person, by: u32) -> anyhow::Result<JobTicket> {
        if !self.parts.heart.is_open() {
            bail!("the gate is shut because its probe fails; `sluice status` says where");
        }
        if self.tenancy == Tenancy::OneJob && self.parts.jobs.has_own() {
            bail!(
                "another `sluice run` has this state directory, and its gate goes when its job \
                 ends: start `sluice daemon` for several jobs at once, or give this one a --state \
                 of its own"
            );
        }
        self.parts.jobs.admit(request, person, by)
    }
}

impl Control for Gatehouse {
    fn status(&self) -> Status {
        self.told_status()
    }

    fn start_job(
        &self,
        request: JobRequest,
        person: &Person,
        by: u32,
    ) -> Result<JobTicket, String> {
        self.admit(request, person, by)
            .map_err(|error| format!("{error:#}"))
    }

    fn end_job(&self, job: JobId, grace: Duration) -> Result<(), String> {
        self.release(job, grace)
            .map_err(|error| format!("{error:#}"))
    }

    fn reload(&self) -> Result<Vec<(String, String)>, String> {
        let read = self.parts.jobs.read_policies_again(&self.config);
        read.map_err(|error| format!("{error:#}"))
    }

    fn explain(&self, session: SessionId) -> Result<String, String> {
        let store = &self.parts.store;
        let events = store.events(session).map_err(|error| error.to_string())?;
        explain(store.as_ref(), &events).map_err(|error| format!("{error:#}"))
    }
}
