//! What is known of a member's socket, and of a flow between its connect and the proxy's accept.

use crate::Member;

/// What a member's socket is for: it decides which packets may leave it.
pub mod kind {
    /// Made, not connected: TCP in it is passive and stays on loopback, UDP goes nowhere.
    pub const MADE: u8 = 0;
    /// TCP that was turned to the proxy.
    pub const REDIRECTED: u8 = 1;
    /// UDP that was turned to the daemon's resolver.
    pub const DNS: u8 = 2;
    /// Connected while the daemon was away and its configuration lets that pass.
    pub const OPEN: u8 = 3;
    /// Connected outside of every job, and then a member sent on it: nothing leaves it any more,
    /// whoever sends, because what was queued leaves later and in nobody's name.
    pub const HANDED_IN: u8 = 4;
}

/// The value of SOCKETS, the socket storage of members' sockets.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketTag {
    /// Who connected last; until then who made it.
    pub member: Member,
    /// Cookie of the network namespace.
    pub netns: u64,
    /// Address that was asked for.
    pub ip: [u32; 4],
    /// Port that was asked for.
    pub port: u16,
    /// Family of the address that it was turned to (v4 for a v4-mapped one).
    pub family: u8,
    /// One of [`kind`].
    pub kind: u8,
    /// Thread that connected.
    pub tid: u32,
}

/// The key of FLOWS: a flow as the accepting side sees it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlowKey {
    /// Cookie of the network namespace: the same addresses exist in each.
    pub netns: u64,
    /// Source address.
    pub ip: [u32; 4],
    /// Source port.
    pub port: u16,
    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub protocol: u8,
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Always 0.
    pub pad: u32,
}

/// The value of FLOWS.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// Who connected.
    pub member: Member,
    /// Cookie of the connecting socket.
    pub cookie: u64,
    /// When, nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub at: u64,
    /// Address that was asked for.
    pub ip: [u32; 4],
    /// Port that was asked for.
    pub port: u16,
    /// `AF_INET` or `AF_INET6` of the redirected connection.
    pub family: u8,
    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub protocol: u8,
    /// Thread that connected.
    pub tid: u32,
}

/// The value of HANDED_IN, by the cookie of the socket: a stream on which nothing leaves any more
/// ([`kind::HANDED_IN`]). What was written on it waits in the kernel until the daemon ends it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandedIn {
    /// Its own address.
    pub local_ip: [u32; 4],
    /// The address of the other end.
    pub remote_ip: [u32; 4],
    /// Its own port.
    pub local_port: u16,
    /// The port of the other end.
    pub remote_port: u16,
    /// `IPPROTO_...`
    pub protocol: u32,
    /// Index of the interface that it is bound to; 0 for none.
    pub interface: u32,
    /// Number of the network namespace, as `/proc/PID/ns/net` tells it.
    pub netns: u32,
}

const _: () = assert!(size_of::<HandedIn>() == 48);
const _: () = assert!(size_of::<SocketTag>() == 64);
const _: () = assert!(size_of::<FlowKey>() == 32);
const _: () = assert!(size_of::<Origin>() == 72);
