//! Who a process is, and which job it belongs to.

/// A process for as long as this boot lasts: a pid that is used again has another start time.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProcessKey {
    /// `start_boottime` of the thread group leader, nanoseconds since boot.
    pub started: u64,
    /// Thread group id in the initial PID namespace.
    pub tgid: u32,
    /// Always 0.
    pub pad: u32,
}

/// What is known of a member: the value of PROCESSES.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessTag {
    /// The job it belongs to.
    pub job: u64,
    /// `execve` calls of this process so far; 0 runs its parent's image.
    pub ordinal: u32,
    /// Bits of [`tag`].
    pub flags: u32,
}

/// Bits of [`ProcessTag::flags`].
pub mod tag {
    /// The chain from the job's root to this process was not seen whole.
    pub const INCOMPLETE: u32 = 1;
    /// This process is the root of its job.
    pub const ROOT: u32 = 2;
    /// Found in a runner's cgroup without a tag of its own; with [`ROOT`]: it had just come in.
    pub const ADOPTED: u32 = 4;
    /// PROCESSES was full: the process is a member by its cgroup only, and is refused. Never in
    /// PROCESSES, only in a [`super::Member`].
    pub const UNTAGGED: u32 = 8;
}

/// A registered cgroup: the value of RUNNERS, keyed by cgroup id.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Runner {
    /// The job that untagged processes in it belong to.
    pub job: u64,
    /// An untagged process that started at or after this, nanoseconds since boot, came in from
    /// outside: its first exec here is a root. `u64::MAX`: none is.
    pub since: u64,
    /// Bits of [`runner`].
    pub flags: u32,
    /// Always 0.
    pub pad: u32,
}

/// Bits of [`Runner::flags`].
pub mod runner {
    /// The cgroup was empty when it was registered: the first exec in it is the job's root, and
    /// takes the bit away.
    pub const FRESH: u32 = 1;
}

/// Who acts: what each hook finds out before it decides.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Member {
    /// The process.
    pub process: ProcessKey,
    /// Its job.
    pub job: u64,
    /// `execve` calls of the process so far.
    pub ordinal: u32,
    /// Bits of [`tag`].
    pub flags: u32,
}

const _: () = assert!(size_of::<ProcessKey>() == 16);
const _: () = assert!(size_of::<ProcessTag>() == 16);
const _: () = assert!(size_of::<Runner>() == 24);
const _: () = assert!(size_of::<Member>() == 32);
