//! The switch between deny and redirect, and the counters.

/// Let members' connections pass untouched while the daemon is away.
pub const STATE_OPEN_WHEN_DOWN: u32 = 1;

/// The one value of STATE. All zero means: refuse.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Until when members are redirected (`CLOCK_MONOTONIC`, nanoseconds); later they are refused.
    pub deadline: u64,
    /// Cookie of the network namespace in which the proxy listens.
    pub netns: u64,
    /// A job that is redirected whatever the deadline says: the daemon's own probe. 0 is none.
    pub probe_job: u64,
    /// Which loading of the programs acts on fork, exec and exit while two are attached.
    pub generation: u64,
    /// Port of the proxy on 127.0.0.1; 0 is none.
    pub proxy_v4: u16,
    /// Port of the proxy on ::1; 0 is none.
    pub proxy_v6: u16,
    /// UDP port of the resolver on 127.0.0.1; 0 is none.
    pub dns_v4: u16,
    /// UDP port of the resolver on ::1; 0 is none.
    pub dns_v6: u16,
    /// Level of the deepest registered cgroup; 0 when there is none.
    pub runner_depth: u32,
    /// [`STATE_OPEN_WHEN_DOWN`].
    pub flags: u32,
}

const _: () = assert!(size_of::<State>() == 48);

/// Index into STATS, a per-CPU array of `u64`.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counter {
    /// Connections that were turned to the proxy.
    Redirected = 0,
    /// Datagram connects and sends that were turned to the resolver.
    Resolved = 1,
    /// Refusals, of every hook and reason but egress.
    Refused = 2,
    /// Refusals because the daemon was away.
    RefusedDown = 3,
    /// Packets that were dropped at egress.
    EgressDropped = 4,
    /// Events that found the ring buffer full.
    LostEvents = 5,
    /// Processes that found PROCESSES full.
    LostTags = 6,
    /// Flows that found FLOWS full.
    LostFlows = 7,
    /// Sockets whose storage could not be made.
    LostSockets = 8,
    /// Processes that were found in a runner's cgroup without a tag.
    Adopted = 9,
    /// Connections that passed untouched because the configuration says so while the daemon is away.
    PassedDown = 10,
    /// Streams that were handed in and found HANDED_IN full.
    LostHandedIn = 11,
}

impl Counter {
    /// All of them, in the order of their index, with the names that `sluice status` shows.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Redirected, "redirected"),
        (Self::Resolved, "resolved"),
        (Self::Refused, "refused"),
        (Self::RefusedDown, "refused_down"),
        (Self::EgressDropped, "egress_dropped"),
        (Self::LostEvents, "lost_events"),
        (Self::LostTags, "lost_tags"),
        (Self::LostFlows, "lost_flows"),
        (Self::LostSockets, "lost_sockets"),
        (Self::Adopted, "adopted"),
        (Self::PassedDown, "passed_down"),
        (Self::LostHandedIn, "lost_handed_in"),
    ];

    /// Entries of STATS.
    pub const COUNT: usize = Self::ALL.len();
}
