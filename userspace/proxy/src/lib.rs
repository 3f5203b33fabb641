//! The path of a flow: accept, locate, attribute, admit, open, serve, close.
//!
//! `path.rs` is the story; everything else here serves it. The proxy meets capture, store
//! and api only at the ports of `sluice_flow`; it cannot dial a server without a
//! [`sluice_policy::Permit`], and it cannot pass an operation without its gate, which has
//! written the operation and its verdict to the log before it answers.

mod account;
mod desk;
mod digests;
mod ended;
mod error;
mod gate;
mod hold;
mod job;
pub mod limits;
mod listen;
mod names;
mod path;
mod peek;
mod priority;
mod proxy;
mod record;
mod refusals;
mod refuse;
mod relay;
mod resolver;
mod upstreams;

pub use desk::Desk;
pub use error::ProxyError;
pub use job::{RunningJob, RunningJobs};
pub use listen::{Listeners, Ports, Serving, serve};
pub use names::StaticNames;
pub use priority::ahead_of_jobs;
pub use proxy::{PROBE_PASSED, PROBE_UNATTRIBUTED, Proxy};
pub use upstreams::Upstreams;
