//! The events of the ring buffer. Each starts with an [`EventHead`].

use crate::{Member, ProcessKey};

/// [`EventHead::kind`] of a [`ForkEvent`].
pub const FORK: u32 = 1;
/// [`EventHead::kind`] of an [`ExecEvent`].
pub const EXEC: u32 = 2;
/// [`EventHead::kind`] of an [`ExitEvent`].
pub const EXIT: u32 = 3;
/// [`EventHead::kind`] of a [`RefusedEvent`].
pub const REFUSED: u32 = 4;
/// [`EventHead::kind`] of an [`AdoptedEvent`].
pub const ADOPTED: u32 = 5;

/// Bytes of the executed path that are copied, with its NUL.
pub const FILENAME_MAX: usize = 1_024;
/// Bytes of the argument vector that are copied, with the NULs between arguments.
pub const ARGV_MAX: usize = 4_096;
/// Bytes of the working directory that are copied.
pub const CWD_MAX: usize = 2_048;
/// Components of the working directory that are walked, mount points included.
pub const PATH_DEPTH: usize = 32;
/// Bytes of the longest event.
pub const EVENT_MAX: usize = size_of::<ExecEvent>() + FILENAME_MAX + ARGV_MAX + CWD_MAX;

/// What every event starts with.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventHead {
    /// One of [`FORK`], [`EXEC`], [`EXIT`], [`REFUSED`], [`ADOPTED`].
    pub kind: u32,
    /// Id of the thread that caused it.
    pub tid: u32,
    /// When, nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub at: u64,
    /// Who caused it (at a fork the parent, at an exec with the new ordinal).
    pub member: Member,
}

/// A member started a process (not a thread).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForkEvent {
    /// `member` is the parent, with the image that the child inherits.
    pub head: EventHead,
    /// The new process; its ordinal is 0.
    pub child: ProcessKey,
}

/// Bits of [`ExecEvent::flags`].
pub mod argv {
    /// The argument vector is longer than what is copied.
    pub const TRUNCATED: u32 = 1;
    /// Pages of it were not there.
    pub const FAULTED: u32 = 2;
    /// The working directory is longer or deeper than what is copied.
    pub const CWD_TRUNCATED: u32 = 4;
    /// The executed path is longer than what is copied.
    pub const FILENAME_TRUNCATED: u32 = 8;
    /// The process is in a user namespace that is not the initial one: what a path names there,
    /// its maker chose with a mount or a `chroot` that needed no privilege.
    pub const OTHER_ROOT: u32 = 16;
}

/// A member runs a new program image. After it: `filename_len` bytes of the path as it was
/// executed (with its NUL), `argv_len` bytes of the argument vector, `cwd_len` bytes of the
/// working directory: NUL-ended components, the innermost first, up to the root of the mount tree.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExecEvent {
    /// `member` has the new ordinal.
    pub head: EventHead,
    /// Id of the cgroup (v2).
    pub cgroup: u64,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// Group id in the initial user namespace.
    pub gid: u32,
    /// Arguments that `execve` was given.
    pub argc: u32,
    /// Bits of [`argv`].
    pub flags: u32,
    /// Bytes of the path.
    pub filename_len: u32,
    /// Bytes of the argument vector.
    pub argv_len: u32,
    /// Bytes of the working directory.
    pub cwd_len: u32,
    /// Always 0.
    pub pad: u32,
    /// What the image was made of.
    pub image: ImageFile,
}

/// The file that the kernel made an image of: for a script its interpreter.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageFile {
    /// Inode number; 0 where it could not be read.
    pub inode: u64,
    /// Seconds of the time of its last change (ctime).
    pub changed: i64,
    /// Nanoseconds of it.
    pub changed_nanos: u32,
    /// Device of the file system as the kernel has it (`s_dev`): 12 bits major, 20 bits minor.
    pub device: u32,
    /// Magic number of the file system (`s_magic`).
    pub file_system: u32,
    /// To how many nanoseconds the file system tells times (`s_time_gran`).
    pub granularity: u32,
    /// How deep the user namespace is in which the file system was mounted; 0 is the host's own.
    pub user_ns_level: u32,
    /// Always 0.
    pub pad: u32,
}

/// The last thread of a member ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitEvent {
    /// Who ended.
    pub head: EventHead,
    /// The wait status: exit code in the second byte, signal in the low seven bits.
    pub status: u32,
    /// Always 0.
    pub pad: u32,
}

/// A process that has no tag was found in a runner's cgroup, and has one now.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdoptedEvent {
    /// Who it is.
    pub head: EventHead,
    /// Id of its cgroup (v2).
    pub cgroup: u64,
}

/// The hook that refused: [`RefusedEvent::hook`].
pub mod hook {
    /// `connect`.
    pub const CONNECT: u8 = 1;
    /// `sendmsg` with an address.
    pub const SENDMSG: u8 = 2;
    /// `socket`.
    pub const SOCKET: u8 = 3;
    /// A packet that leaves a socket.
    pub const EGRESS: u8 = 4;
}

/// Why it was refused: [`RefusedEvent::reason`].
pub mod reason {
    /// The daemon is away or hung, or has not opened the gate.
    pub const DOWN: u8 = 1;
    /// The address is the proxy's or the resolver's own.
    pub const FORGED: u8 = 2;
    /// The process is in a network namespace in which nobody listens for it.
    pub const NETNS: u8 = 3;
    /// UDP to a port other than 53.
    pub const UDP: u8 = 4;
    /// A kind of socket that is not on the list.
    pub const SOCKET_KIND: u8 = 5;
    /// The packet does not go where its socket may send.
    pub const STRAY: u8 = 6;
    /// There is no listener for this family or protocol.
    pub const NO_LISTENER: u8 = 7;
    /// The socket could not be remembered.
    pub const NO_MEMORY: u8 = 8;
    /// The process could not be remembered: PROCESSES is full.
    pub const NO_TAG: u8 = 9;
    /// The socket was connected outside of every job, and a member sends on it.
    pub const HANDED_IN: u8 = 10;
}

/// Something of a member was refused.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefusedEvent {
    /// Who asked.
    pub head: EventHead,
    /// Address that was asked for; zero for a socket.
    pub ip: [u32; 4],
    /// Port that was asked for; zero for a socket.
    pub port: u16,
    /// Address family of the socket.
    pub family: u16,
    /// `SOCK_STREAM`, `SOCK_DGRAM`, `SOCK_RAW`, ...
    pub socket_type: u16,
    /// `IPPROTO_...`; 65535 for one that does not fit.
    pub protocol: u16,
    /// One of [`hook`].
    pub hook: u8,
    /// One of [`reason`].
    pub reason: u8,
    /// Always 0.
    pub pad: [u8; 6],
}

const _: () = assert!(size_of::<EventHead>() == 48);
const _: () = assert!(size_of::<ForkEvent>() == 64);
const _: () = assert!(size_of::<ExecEvent>() == 128);
const _: () = assert!(size_of::<ImageFile>() == 40);
const _: () = assert!(size_of::<ExitEvent>() == 56);
const _: () = assert!(size_of::<AdoptedEvent>() == 56);
const _: () = assert!(size_of::<RefusedEvent>() == 80);
const _: () = assert!(EVENT_MAX <= 8_192);
