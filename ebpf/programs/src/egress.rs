//! The pin: whatever a member does to a socket, to its routes or to its firewall, packets leave
//! it only to where its socket was turned.

use crate::decision::{MAPPED, dns_port, is_loopback, proxy_port};
use crate::flow::origin;
use crate::handed_in;
use crate::maps::{FLOWS, SOCKETS, STATE};
use crate::report::{Refusal, count, refuse};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skb_load_bytes};
use aya_ebpf::programs::SkBuffContext;
use core::ffi::c_void;
use core::ptr::{addr_of, read_volatile};
use sluice_abi::{
    Counter, FAMILY_V4, FAMILY_V6, FlowKey, PROTO_TCP, PROTO_UDP, SocketTag, State, hook, kind,
    reason,
};

use crate::address::loopback;

const PASS: i32 = 1;
const DROP: i32 = 0;

/// Addresses and ports of a packet.
#[derive(Default)]
struct Packet {
    protocol: u8,
    source: [u32; 4],
    source_port: u16,
    target: [u32; 4],
    target_port: u16,
    v4: bool,
}

/// `cgroup_skb` egress.
#[inline(always)]
pub fn leaving(ctx: &SkBuffContext) -> i32 {
    // SAFETY: the context is valid for the program's run; all variants of the union are this field.
    let sk: *mut c_void =
        unsafe { read_volatile(addr_of!((*ctx.skb.skb).__bindgen_anon_2.sk)).cast() };
    if sk.is_null() {
        return PASS;
    }
    let known = SOCKETS.find(sk);
    if known.is_null() {
        return nobodys(ctx, sk);
    }
    // SAFETY: not null, so a value of the map.
    let known = unsafe { &*known };
    if known.kind == kind::OPEN {
        return PASS;
    }
    if known.kind == kind::HANDED_IN {
        count(Counter::EgressDropped);
        return DROP; // told when the first packet was refused
    }
    let Some(state) = STATE.get(0) else {
        return DROP;
    };
    let packet = parse(ctx).unwrap_or_default();
    if !may_leave(state, known, &packet) {
        refuse(known.member, refusal(known.family, &packet));
        return DROP;
    }
    if packet.protocol == PROTO_UDP {
        note_datagram(ctx, known, &packet);
    }
    PASS
}

/// A packet of a socket that no member made or connected: none of our business, unless a member
/// sends it.
#[inline(always)]
fn nobodys(ctx: &SkBuffContext, sk: *mut c_void) -> i32 {
    let Some(member) = handed_in::sender(ctx, sk) else {
        return PASS;
    };
    let packet = parse(ctx).unwrap_or_default();
    let family = if packet.v4 { FAMILY_V4 } else { FAMILY_V6 };
    let what = Refusal {
        reason: reason::HANDED_IN,
        ..refusal(family, &packet)
    };
    refuse(member, what);
    DROP
}

/// Whether the packet goes where its socket was turned.
#[inline(always)]
fn may_leave(state: &State, known: &SocketTag, packet: &Packet) -> bool {
    let here = packet.target == loopback(packet.v4);
    match (packet.protocol, known.kind) {
        (PROTO_TCP, kind::REDIRECTED) => here && packet.target_port == proxy_port(state, packet.v4),
        (PROTO_UDP, kind::DNS) => here && packet.target_port == dns_port(state, packet.v4),
        // A listener's, or an accepted connection's: local tests may talk to each other.
        (PROTO_TCP, kind::MADE) => is_loopback(&packet.target),
        _ => false,
    }
}

/// The source port of a datagram is known only here.
#[inline(always)]
fn note_datagram(ctx: &SkBuffContext, known: &SocketTag, packet: &Packet) {
    let key = FlowKey {
        netns: known.netns,
        ip: packet.source,
        port: packet.source_port,
        protocol: PROTO_UDP,
        family: known.family,
        pad: 0,
    };
    // SAFETY: a helper; the context is this program's own.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    if FLOWS
        .insert(key, origin(known, cookie, PROTO_UDP), 0)
        .is_err()
    {
        count(Counter::LostFlows);
    }
}

#[inline(always)]
fn refusal(family: u8, packet: &Packet) -> Refusal {
    Refusal {
        hook: hook::EGRESS,
        reason: reason::STRAY,
        ip: packet.target,
        port: packet.target_port,
        family: u32::from(family),
        socket_type: 0,
        protocol: u32::from(packet.protocol),
    }
}

/// Reads the headers of IPv4 (RFC 791) or IPv6 (RFC 8200; extension headers are not followed, so
/// such packets are strays), and the ports.
#[inline(always)]
fn parse(ctx: &SkBuffContext) -> Option<Packet> {
    let first: [u8; 1] = load(ctx, 0)?;
    match first[0] >> 4 {
        4 => parse_v4(ctx, u32::from(first[0] & 0x0f) * 4),
        6 => parse_v6(ctx),
        _ => None,
    }
}

#[inline(always)]
fn parse_v4(ctx: &SkBuffContext, header: u32) -> Option<Packet> {
    let protocol: [u8; 1] = load(ctx, 9)?;
    let [source, target]: [u32; 2] = load(ctx, 12)?;
    let [source_port, target_port]: [u16; 2] = load(ctx, header)?;
    Some(Packet {
        protocol: protocol[0],
        source: [0, 0, MAPPED, source],
        source_port: u16::from_be(source_port),
        target: [0, 0, MAPPED, target],
        target_port: u16::from_be(target_port),
        v4: true,
    })
}

#[inline(always)]
fn parse_v6(ctx: &SkBuffContext) -> Option<Packet> {
    let protocol: [u8; 1] = load(ctx, 6)?;
    let source: [u32; 4] = load(ctx, 8)?;
    let target: [u32; 4] = load(ctx, 24)?;
    let [source_port, target_port]: [u16; 2] = load(ctx, 40)?;
    Some(Packet {
        protocol: protocol[0],
        source,
        source_port: u16::from_be(source_port),
        target,
        target_port: u16::from_be(target_port),
        v4: false,
    })
}

#[inline(always)]
fn load<T: Default>(ctx: &SkBuffContext, offset: u32) -> Option<T> {
    let mut value = T::default();
    let to = core::ptr::from_mut(&mut value).cast();
    // SAFETY: the helper writes exactly the size of the value.
    let failed = unsafe { bpf_skb_load_bytes(ctx.as_ptr(), offset, to, size_of::<T>() as u32) };
    (failed == 0).then_some(value)
}
