//! What the kernel programs and the daemon share: the keys and values of the maps, and the
//! events of the ring buffer.
//!
//! Every type here is `repr(C)`, made of integers only, without hidden padding, and its size is
//! asserted at compile time on both sides. IP addresses are 16 bytes in network order, a v4
//! address in its v4-mapped form (RFC 4291 section 2.5.5.2); ports are in host order.
//! [`VERSION`] names this layout: it is part of the directory in which maps and links are pinned,
//! so that a daemon never reads the maps of another layout.
#![no_std]

mod event;
mod identity;
mod socket;
mod state;

pub use event::{
    ADOPTED, ARGV_MAX, AdoptedEvent, CWD_MAX, EVENT_MAX, EXEC, EXIT, EventHead, ExecEvent,
    ExitEvent, FILENAME_MAX, FORK, ForkEvent, ImageFile, PATH_DEPTH, REFUSED, RefusedEvent, argv,
    hook, reason,
};
pub use identity::{Member, ProcessKey, ProcessTag, Runner, runner, tag};
pub use socket::{FlowKey, HandedIn, Origin, SocketTag, kind};
pub use state::{Counter, STATE_OPEN_WHEN_DOWN, State};

/// Names the layout of everything in this crate; raised with every change of it.
pub const VERSION: u32 = 5;

/// Processes of all jobs that can be members at the same time.
pub const PROCESSES_MAX: u32 = 65_536;
/// Runner and job cgroups that can be registered at the same time.
pub const RUNNERS_MAX: usize = 4_096;
/// Redirected connections that wait for the proxy's accept, and datagram sockets, at a time.
pub const FLOWS_MAX: usize = 65_536;
/// Streams that were handed in to jobs, between two looks of the daemon, which ends them.
pub const HANDED_IN_MAX: usize = 1_024;
/// Bytes of the ring buffer of events: a power of two, and a multiple of the page size.
pub const EVENTS_BYTES: usize = 4 << 20;
/// Deepest level below the root of cgroup v2 at which a runner's cgroup may be.
pub const RUNNER_DEPTH_MAX: u32 = 16;

/// Address family as sockets name it (`AF_INET`).
pub const FAMILY_V4: u8 = 2;
/// Address family as sockets name it (`AF_INET6`).
pub const FAMILY_V6: u8 = 10;
/// `IPPROTO_TCP`.
pub const PROTO_TCP: u8 = 6;
/// `IPPROTO_UDP`.
pub const PROTO_UDP: u8 = 17;
