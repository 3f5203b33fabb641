//! The vocabulary of sluice, the lineage fold, and the ports at which its parts meet.
//!
//! Nothing here does I/O. `capture` tells what the kernel saw ([`kernel`]), the fold in
//! [`lineage`] makes chains of it, `protocols` name what a flow asks for ([`operation`]),
//! `policy` answers with a [`verdict`], the proxy carries both through the [`gate`], and
//! `store` keeps the [`session`]. The traits in [`ports`] are the only way in which
//! capture, store, api and proxy know of one another.

pub mod destination;
pub mod exec;
pub mod failure;
pub mod gate;
pub mod image;
pub mod job;
pub mod kernel;
pub mod lineage;
pub mod operation;
pub mod ports;
pub mod session;
pub mod summary;
pub mod verdict;

pub use destination::{Destination, HostFact};
pub use exec::{ArgvState, BootId, Exec, ExecId, How, ProcessId};
pub use failure::Cause;
pub use gate::{Answer, Gate, Hold, Judgement, Pass};
pub use image::{ImageFile, NoDigest};
pub use job::{Job, JobId, Labels};
pub use lineage::{Lineage, LineageSnapshot, LineageTable};
pub use operation::{
    DnsQuestion, Effect, HttpBody, HttpRequest, Operation, SqlMessage, Statement, TableName,
};
pub use session::{Event, EventKind, SessionId, SessionOpened};
pub use summary::SessionSummary;
pub use verdict::{ApprovalTerms, Decision, Refusal, RuleRef, Verdict};
