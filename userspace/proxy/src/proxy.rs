//! What all flows share, and where they come in.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use sluice_flow::kernel::Origin;
use sluice_flow::ports::{Digests, Lineages, Origins, Recorder};
use sluice_protocols::postgres::Cancels;
use sluice_protocols::sql::ParseCache;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::desk::Desk;
use crate::job::{RunningJob, RunningJobs};
use crate::names::StaticNames;
use crate::refusals::{Refusals, RefusedQuestion};
use crate::upstreams::Upstreams;

/// What all flows share.
pub struct Proxy {
    /// Where redirected flows came from.
    pub origins: Arc<dyn Origins>,
    /// Who stands behind a process.
    pub lineages: Arc<dyn Lineages>,
    /// What is in the files of programs.
    pub digests: Arc<dyn Digests>,
    /// Keeps sessions.
    pub recorder: Arc<dyn Recorder>,
    /// The jobs that run.
    pub jobs: Arc<RunningJobs>,
    /// Where held operations wait.
    pub desk: Arc<Desk>,
    /// Names that the host's owner gave to addresses.
    pub static_names: StaticNames,
    /// The host's own resolvers.
    pub upstreams: Upstreams,
    /// Keys with which running statements may be cancelled.
    pub cancels: Cancels,
    /// Statements that were analysed before.
    pub parsed: ParseCache,
    /// Flows that are open.
    pub flows: AtomicUsize,
    /// Flows that were reset because too many were open.
    pub over_limit: AtomicU64,
    /// Refusals of what no session was opened for.
    pub refusals: Refusals,
}

/// What a probe reads when the whole data path worked for it.
pub const PROBE_PASSED: &[u8] = b"sluice-probe: redirected, located, attributed\n";
/// What a probe reads when its lineage was not found.
pub const PROBE_UNATTRIBUTED: &[u8] = b"sluice-probe: redirected, located\n";

impl Proxy {
    /// A proxy without flows.
    #[must_use]
    pub fn new(
        origins: Arc<dyn Origins>,
        lineages: Arc<dyn Lineages>,
        digests: Arc<dyn Digests>,
        recorder: Arc<dyn Recorder>,
        static_names: StaticNames,
        upstreams: Upstreams,
    ) -> Self {
        Self {
            origins,
            lineages,
            digests,
            recorder,
            jobs: Arc::default(),
            desk: Arc::default(),
            static_names,
            upstreams,
            cancels: Cancels::default(),
            parsed: ParseCache::default(),
            flows: AtomicUsize::new(0),
            over_limit: AtomicU64::new(0),
            refusals: Refusals::default(),
        }
    }

    /// All names that are known for an address: what the job resolved, what the owner gave.
    pub(crate) fn names_of(&self, job: &RunningJob, address: IpAddr) -> Vec<String> {
        let mut names = job.names.of(address, Instant::now());
        names.extend(self.static_names.names(address));
        names.sort();
        names.dedup();
        names
    }

    /// Puts a DNS question on record that no session was opened for.
    pub(crate) fn refuse_question(&self, refused: RefusedQuestion) {
        let job = refused.origin.as_ref();
        let job = job.and_then(|origin| self.jobs.find(origin.job));
        self.refusals.question(&*self.recorder, job, refused);
    }

    /// Ends a probe of the daemon's own: it never leaves the gate.
    pub(crate) async fn answer_probe(&self, mut client: TcpStream, origin: &Origin) {
        let known = self
            .lineages
            .lineage(origin.process, origin.ordinal)
            .is_some();
        let answer = if known {
            PROBE_PASSED
        } else {
            PROBE_UNATTRIBUTED
        };
        if let Err(error) = client.write_all(answer).await {
            tracing::warn!(%error, "a probe went away before its answer");
        }
    }

    /// Takes a place for a flow, counted in `thread` too; `None` at the limit.
    pub(crate) fn take_place(self: &Arc<Self>, thread: &Arc<AtomicUsize>) -> Option<FlowPlace> {
        let open = self.flows.fetch_add(1, Ordering::AcqRel);
        thread.fetch_add(1, Ordering::Relaxed);
        let place = FlowPlace {
            proxy: Arc::clone(self),
            thread: Arc::clone(thread),
        };
        if open >= crate::limits::MAX_FLOWS {
            self.over_limit.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(place)
    }
}

/// The place of an open flow.
pub(crate) struct FlowPlace {
    proxy: Arc<Proxy>,
    thread: Arc<AtomicUsize>,
}

impl Drop for FlowPlace {
    fn drop(&mut self) {
        self.proxy.flows.fetch_sub(1, Ordering::AcqRel);
        self.thread.fetch_sub(1, Ordering::Relaxed);
    }
}
