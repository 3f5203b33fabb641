//! Where a member's connection or datagram goes. Pure: what it says follows from its arguments.

use crate::report::Refusal;
use sluice_abi::{Member, STATE_OPEN_WHEN_DOWN, State, kind, reason, tag};

/// `SOCK_STREAM`
pub const STREAM: u32 = 1;
/// `SOCK_DGRAM`
pub const DGRAM: u32 = 2;
/// `IPPROTO_TCP`
pub const TCP: u32 = 6;
/// `IPPROTO_UDP`
pub const UDP: u32 = 17;
/// `IPPROTO_MPTCP`
pub const MPTCP: u32 = 262;
/// The port of DNS.
const DNS_PORT: u16 = 53;

/// 127.0.0.1 in network order.
pub const LOOPBACK_V4: u32 = 0x7f00_0001_u32.to_be();
/// The third word of a v4-mapped address in network order.
pub const MAPPED: u32 = 0x0000_ffff_u32.to_be();
/// The last word of ::1 in network order.
pub const LOOPBACK_V6: u32 = 1_u32.to_be();

/// What was asked for.
#[derive(Clone, Copy)]
pub struct Asked {
    /// Address, v4 in its mapped form.
    pub ip: [u32; 4],
    /// Port in host order.
    pub port: u16,
    /// Family of the socket.
    pub family: u32,
    /// Type of the socket.
    pub socket_type: u32,
    /// Protocol of the socket.
    pub protocol: u32,
}

impl Asked {
    /// Whether it is a v4 address, mapped or not.
    #[inline(always)]
    pub fn is_v4(&self) -> bool {
        is_v4(&self.ip)
    }

    /// As the cause of a refusal.
    #[inline(always)]
    pub fn refusal(&self, hook: u8, reason: u8) -> Refusal {
        Refusal {
            hook,
            reason,
            ip: self.ip,
            port: self.port,
            family: self.family,
            socket_type: self.socket_type,
            protocol: self.protocol,
        }
    }
}

/// What to do about it.
#[derive(Clone, Copy)]
pub enum Decision {
    /// Turn it to this port on the loopback address of its family, as this kind of socket.
    Turn(u16, u8),
    /// Leave it alone: the daemon is away, and the configuration lets that pass.
    Pass,
    /// Refuse it for this reason.
    Refuse(u8),
}

/// Decides. Whatever is not named here is refused.
#[inline(always)]
pub fn decide(state: &State, member: &Member, netns: u64, now: u64, asked: &Asked) -> Decision {
    let probe = state.probe_job != 0 && state.probe_job == member.job;
    if now > state.deadline && !probe {
        if state.flags & STATE_OPEN_WHEN_DOWN != 0 {
            return Decision::Pass;
        }
        return Decision::Refuse(reason::DOWN);
    }
    if member.flags & tag::UNTAGGED != 0 {
        return Decision::Refuse(reason::NO_TAG);
    }
    if netns != state.netns {
        return Decision::Refuse(reason::NETNS);
    }
    if is_here(&asked.ip) && is_ours(state, asked.port) {
        return Decision::Refuse(reason::FORGED);
    }
    let (port, kind) = match (asked.socket_type, asked.protocol) {
        (STREAM, TCP | MPTCP) => (proxy_port(state, asked.is_v4()), kind::REDIRECTED),
        (DGRAM, UDP) if asked.port == DNS_PORT => (dns_port(state, asked.is_v4()), kind::DNS),
        (DGRAM, UDP) => return Decision::Refuse(reason::UDP),
        _ => return Decision::Refuse(reason::SOCKET_KIND),
    };
    if port == 0 {
        return Decision::Refuse(reason::NO_LISTENER);
    }
    Decision::Turn(port, kind)
}

/// The proxy's port for a family.
#[inline(always)]
pub fn proxy_port(state: &State, v4: bool) -> u16 {
    if v4 { state.proxy_v4 } else { state.proxy_v6 }
}

/// The resolver's port for a family.
#[inline(always)]
pub fn dns_port(state: &State, v4: bool) -> u16 {
    if v4 { state.dns_v4 } else { state.dns_v6 }
}

/// Whether an address is a v4 one in its mapped form.
#[inline(always)]
pub fn is_v4(ip: &[u32; 4]) -> bool {
    ip[0] == 0 && ip[1] == 0 && ip[2] == MAPPED
}

/// Whether an address is 127.0.0.0/8 or ::1.
#[inline(always)]
pub fn is_loopback(ip: &[u32; 4]) -> bool {
    if is_v4(ip) {
        return u32::from_be(ip[3]) >> 24 == 127;
    }
    ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] == LOOPBACK_V6
}

/// Whether an address reaches a loopback listener: loopback, or unspecified, which means it.
#[inline(always)]
fn is_here(ip: &[u32; 4]) -> bool {
    let unspecified = ip[3] == 0 && (is_v4(ip) || (ip[0] == 0 && ip[1] == 0 && ip[2] == 0));
    unspecified || is_loopback(ip)
}

#[inline(always)]
fn is_ours(state: &State, port: u16) -> bool {
    port != 0
        && (port == state.proxy_v4
            || port == state.proxy_v6
            || port == state.dns_v4
            || port == state.dns_v6)
}
