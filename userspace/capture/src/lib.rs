//! Loads, attaches and pins the kernel programs, and reads what they tell.
//!
//! [`Capture`] is the kernel side as the daemon holds it: members (see [`Capture::add_runner`])
//! are refused until the daemon has told where it listens and keeps a heartbeat going; their
//! connections then arrive at the proxy, which asks [`Capture`] (as
//! [`Origins`](sluice_flow::ports::Origins)) where each was headed and who opened it. What else
//! happens comes out of [`Capture::drain`]. Links and maps are pinned, so that a dead daemon means
//! refused, not free.

mod bpffs;
mod btf;
mod capture;
pub mod cgroup;
mod digests;
mod error;
mod event;
mod found;
mod gate;
mod handed_in;
mod hooks;
mod link;
mod members;
mod mountinfo;
mod object;
mod offsets;
mod origin;
mod plain;

pub use capture::{Capture, DRAIN_MAX, MEMBERS_MAX, Options, Root};
pub use cgroup::JobCgroup;
pub use digests::{ImageDigests, MAX_DIGESTS, MAX_IMAGE_BYTES};
pub use error::CaptureError;
pub use event::decode;
pub use gate::Listeners;
pub use handed_in::HANDED_IN_MAX;
pub use hooks::Hook;
pub use members::{lives, process_of};
