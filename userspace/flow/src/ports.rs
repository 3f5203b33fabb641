//! The ports at which capture, store, api and proxy meet. The daemon wires them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exec::ProcessId;
use crate::image::{ImageFile, NoDigest};
use crate::job::{Job, JobId};
use crate::kernel::{Origin, Transport};
use crate::lineage::Lineage;
use crate::session::{ApprovalId, Event, EventKind, OperationRecord, SessionId};
use crate::summary::SessionSummary;
use crate::verdict::ApprovalTerms;

/// Where redirected flows came from. Implemented by capture.
pub trait Origins: Send + Sync {
    /// The origin of the flow that arrives from `peer`. A TCP origin is given out once.
    fn take(&self, peer: SocketAddr, transport: Transport) -> Option<Origin>;
}

/// Who stands behind a process. Implemented over capture's events and the fold.
pub trait Lineages: Send + Sync {
    /// The chain that ends in `ordinal` of `process`, events that wait in the kernel taken in.
    fn lineage(&self, process: ProcessId, ordinal: u32) -> Option<Lineage>;

    /// The chain behind a flow; empty and incomplete where nothing is known of it.
    fn behind(&self, origin: &Origin) -> Lineage {
        let mut lineage = self
            .lineage(origin.process, origin.ordinal)
            .unwrap_or_default();
        lineage.complete &= !origin.incomplete;
        lineage
    }
}

/// What is in the files that program images were made of. Implemented by capture.
pub trait Digests: Send + Sync {
    /// SHA-256 (hex) of a file that was hashed before, and is what ran; `None` where it was not.
    fn known(&self, image: &ImageFile) -> Option<String>;

    /// SHA-256 (hex) of the file, by way of a process that runs it. Blocks while it reads, not
    /// longer than until `until`.
    ///
    /// # Errors
    /// Why it cannot be told that what was hashed is what ran.
    fn digest(
        &self,
        process: ProcessId,
        image: &ImageFile,
        until: Instant,
    ) -> Result<String, NoDigest>;
}

/// The session log could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("session log: {what}; sessions end rather than go on unrecorded")]
pub struct RecordError {
    /// What failed, and where.
    pub what: String,
}

/// Keeps sessions. Implemented by store.
pub trait Recorder: Send + Sync {
    /// A new session. Nothing is written yet; its log writes `aborted` when it is dropped
    /// without having been closed.
    ///
    /// # Errors
    /// When the log can take no more.
    fn session(&self) -> Result<Box<dyn SessionLog>, RecordError>;
}

/// Ends when what was appended before is on disk.
pub type Synced = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>;

/// The log of one session. Events get their number and time from it.
pub trait SessionLog: Send {
    /// Its name for good.
    fn id(&self) -> SessionId;

    /// Writes events in order; they are in the operating system's hands when it returns, so
    /// that a killed daemon loses none of them. Gives the number of the first.
    ///
    /// # Errors
    /// When they could not be written; then none of them counts and the session must end.
    fn append(&mut self, events: Vec<EventKind>) -> Result<u64, RecordError>;

    /// Takes an event that nothing waits for. It has its number and the time of now, and is
    /// written with the next append, at the latest when the log is dropped; an append of
    /// nothing writes what was left. A killed daemon may lose it. Gives its number.
    fn later(&mut self, event: EventKind) -> u64;

    /// Waits until everything appended so far is on disk. It does not borrow the log:
    /// events may be appended while it waits.
    fn synced(&self) -> Synced;
}

/// What of the sessions is asked for. All that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionFilter {
    /// Job by id or name.
    pub job: Option<String>,
    /// A glob that the executable of some process of the lineage matches.
    pub process: Option<String>,
    /// A glob that the proved host or the address matches.
    pub host: Option<String>,
    /// `allow`, `approve`, `deny`.
    pub verdict: Option<String>,
    /// Opened at or after.
    pub since: Option<Timestamp>,
    /// Opened before.
    pub until: Option<Timestamp>,
    /// The newest so many.
    pub limit: Option<usize>,
}

/// Reads sessions. Implemented by store.
pub trait Sessions: Send + Sync {
    /// Sessions that match, oldest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn list(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>, RecordError>;

    /// The events of a session in order, answers put into their operations.
    ///
    /// # Errors
    /// When the log cannot be read. An unknown session has no events.
    fn events(&self, session: SessionId) -> Result<Vec<Event>, RecordError>;

    /// Events of all sessions from `position` on (0: the first; `u64::MAX`: only the place
    /// behind the last), at most `most`, and the position behind them.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn tail(&self, position: u64, most: usize) -> Result<(Vec<Event>, u64), RecordError>;
}

/// An operation that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The request.
    pub id: ApprovalId,
    /// The session that waits.
    pub session: SessionId,
    /// The job that asks.
    pub job: Job,
    /// Since when.
    pub asked: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// Where to.
    pub destination: String,
    /// What: masked, with the digest of what is sent when it is approved.
    pub operation: OperationRecord,
    /// What it takes.
    pub terms: ApprovalTerms,
    /// Who agreed so far.
    pub agreed: Vec<String>,
    /// The chain behind it.
    pub lineage: Lineage,
}

impl Held {
    /// The groups that may answer it at `now`.
    #[must_use]
    pub fn groups(&self, now: Timestamp) -> Vec<String> {
        let waited = Duration::try_from(now.duration_since(self.asked)).unwrap_or_default();
        self.terms.groups(waited)
    }
}

/// A person who answers, as the unix socket's peer credentials and the group database tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// User id.
    pub uid: u32,
    /// User name.
    pub name: String,
    /// Names of the groups that they are in.
    pub groups: Vec<String>,
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerError {
    /// It was answered, timed out or withdrawn.
    #[error("no such request waits (any more): `sluice approvals list` shows what does")]
    Unknown,
    /// Not in one of the groups.
    #[error("you are in none of the groups that may answer: {}", .0.join(", "))]
    NotAsked(Vec<String>),
    /// They started the job.
    #[error("you started this job; somebody else must answer")]
    OwnJob,
    /// They agreed already.
    #[error("you agreed already; it takes {0} different people")]
    Twice(u32),
    /// The policy wants a reason.
    #[error("this approval needs a reason: add --reason TEXT")]
    NoReason,
}

/// Where held operations wait. Implemented by proxy.
pub trait ApprovalDesk: Send + Sync {
    /// What waits, oldest first.
    fn held(&self) -> Vec<Held>;

    /// All groups of a person: of the group database, and of the daemon's configuration.
    fn groups_of(&self, person: &Person) -> Vec<String> {
        person.groups.clone()
    }

    /// Takes an answer; gives how many more people it takes (0: it goes on, or is refused).
    ///
    /// # Errors
    /// When the answer does not count; the operation waits on.
    fn answer(
        &self,
        id: ApprovalId,
        person: &Person,
        agree: bool,
        reason: Option<&str>,
    ) -> Result<u32, AnswerError>;
}

/// One line of `sluice status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforcement {
    /// The hook or the property: `connect4`, `probe`, `packet sockets`, ...
    pub what: String,
    /// Whether it is in force.
    pub enforced: bool,
    /// How that is known, or what to do.
    pub detail: String,
}

/// State of the gate, hook by hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its pid.
    pub pid: u32,
    /// Whether connections of jobs are let to the gate at present.
    pub open: bool,
    /// Hook by hook.
    pub enforcement: Vec<Enforcement>,
    /// Jobs that run.
    pub jobs: Vec<Job>,
    /// Policies in force: name and digest.
    pub policies: Vec<(String, String)>,
    /// Flows open at present.
    pub flows: u64,
    /// Counters by name: refused while down, lost events, egress drops, ...
    pub counters: Vec<(String, u64)>,
}

/// A job that somebody wants to run under the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The pipeline's name.
    pub name: String,
    /// Labels.
    #[serde(default)]
    pub labels: crate::job::Labels,
    /// Values that are masked wherever they appear.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Text of policies that narrow what the host's own allow, with the names of their files.
    #[serde(default)]
    pub policies: Vec<(String, String)>,
}

/// A job that was admitted: put the process into the cgroup, then execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTicket {
    /// The job.
    pub id: JobId,
    /// Directory of its cgroup.
    pub cgroup: std::path::PathBuf,
}

/// How the daemon is asked for things. Implemented by the daemon, used by api.
pub trait Control: Send + Sync {
    /// The state, with a fresh probe.
    fn status(&self) -> Status;

    /// Admits a job: a cgroup of its own, which is enforced when this returns. `by` is the pid
    /// of the process that asks, and runs it: where that is gone, and nothing of the job lives,
    /// the job is ended.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do; nothing of the job may run then.
    fn start_job(&self, request: JobRequest, person: &Person, by: u32)
    -> Result<JobTicket, String>;

    /// Ends a job: what is left of it is killed, its cgroup removed. Waits at most `grace`
    /// for open flows.
    ///
    /// # Errors
    /// One sentence that says what is wrong.
    fn end_job(&self, job: JobId, grace: Duration) -> Result<(), String>;

    /// Reads the policies again. A set with an error is refused whole and the old one stays.
    ///
    /// # Errors
    /// The errors, each with file, line and column.
    fn reload(&self) -> Result<Vec<(String, String)>, String>;

    /// Which rule decided an operation and why the others did not: of a recorded session.
    ///
    /// # Errors
    /// When there is no such session.
    fn explain(&self, session: SessionId) -> Result<String, String>;
}
