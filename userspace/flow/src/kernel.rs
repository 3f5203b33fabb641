//! What the kernel side tells, in terms of this crate.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::exec::{ArgvState, ProcessId};
use crate::image::ImageFile;

/// How the kernel side names a job: what members are tagged with. 0 is no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobTag(pub u64);

impl JobTag {
    /// The daemon's own probe; its flows end in the gate.
    pub const PROBE: Self = Self(u64::MAX);
}

/// Transport of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP, and MPTCP, which is TCP here.
    Tcp,
    /// UDP.
    Udp,
}

/// Where a redirected flow came from. Written by the kernel before the first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Cookie of the client's socket.
    pub cookie: u64,
    /// What the client asked for; v4-mapped addresses as v4.
    pub destination: SocketAddr,
    /// The process that connected.
    pub process: ProcessId,
    /// The image that it ran when it connected.
    pub ordinal: u32,
    /// The kernel side did not see the chain to this process whole.
    pub incomplete: bool,
    /// The job that it belongs to.
    pub job: JobTag,
    /// When, nanoseconds since boot.
    pub at: u64,
}

/// A process of a job, as an event names it: which one, and which image it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The process.
    pub process: ProcessId,
    /// Its exec ordinal at the time.
    pub ordinal: u32,
    /// The job that it is tagged with.
    pub job: JobTag,
}

/// The start of a program image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The process and its new ordinal.
    pub actor: Actor,
    /// Absolute path as executed.
    pub exe: String,
    /// Arguments.
    pub argv: Vec<String>,
    /// Whether these are all.
    pub argv_state: ArgvState,
    /// Working directory.
    pub cwd: String,
    /// Effective user id.
    pub uid: u32,
    /// Id of the cgroup (v2).
    pub cgroup: u64,
    /// The first image of the job: the process was no member before.
    pub root: bool,
    /// Read from `/proc` because it ran before sluice did.
    pub found: bool,
    /// The file that it was made of; `None` where the exec was not seen.
    pub image: Option<ImageFile>,
    /// When, nanoseconds since boot.
    pub at: u64,
}

/// A kind of socket or a destination that the kernel side refused by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRefusal {
    /// The hook: `sock_create`, `connect4`, `sendmsg6`, `egress`, ...
    pub hook: String,
    /// Why, in words that records keep: `socket_kind`, `udp`, `forged`, `other_netns`, ...
    pub reason: String,
    /// What was asked for: `inet/raw/icmp`, `inet6/dgram/udp`, ...
    pub socket: String,
    /// Where to, where the hook knows.
    pub destination: Option<SocketAddr>,
}

/// One event of the kernel side, in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelEvent {
    /// A member made a process.
    Forked {
        /// Who made it.
        parent: Actor,
        /// The new process; it runs ordinal 0.
        child: ProcessId,
        /// When, nanoseconds since boot.
        at: u64,
    },
    /// A member runs a new image.
    Started(Box<Started>),
    /// The last thread of a member is gone.
    Exited {
        /// Who.
        actor: Actor,
        /// When, nanoseconds since boot.
        at: u64,
    },
    /// Something of a member was refused in the kernel.
    Refused {
        /// Who asked.
        actor: Actor,
        /// The kernel side did not see the chain to this process whole.
        incomplete: bool,
        /// What.
        refusal: KernelRefusal,
        /// When, nanoseconds since boot.
        at: u64,
    },
    /// Events were lost since the last one.
    Lost(u64),
}
