//! `connect` and `sendmsg` with an address: turns them to the proxy or the resolver, or refuses.

use crate::address::{Side, asked, loopback, rewrite, socket};
use crate::decision::{Asked, Decision, decide, dns_port};
use crate::maps::{SOCKETS, STATE};
use crate::membership::acting;
use crate::offsets::MPTCP_KNOWN;
use crate::report::{count, current_thread, refuse};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_skc_to_mptcp_sock};
use aya_ebpf::programs::SockAddrContext;
use core::ffi::c_void;
use sluice_abi::{Counter, FAMILY_V4, FAMILY_V6, Member, SocketTag, State, hook, kind, reason};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// `connect4` and `connect6`.
#[inline(always)]
pub fn connect(ctx: &SockAddrContext, side: Side) -> i32 {
    let Some(state) = STATE.get(0) else {
        return DENY;
    };
    let Some(member) = acting(state, socket(ctx)) else {
        return ALLOW;
    };
    turn(ctx, side, state, member, asked(ctx, side), hook::CONNECT)
}

/// `sendmsg4` and `sendmsg6`: every datagram that names an address is judged by itself.
#[inline(always)]
pub fn sendmsg(ctx: &SockAddrContext, side: Side) -> i32 {
    let Some(state) = STATE.get(0) else {
        return DENY;
    };
    let sk = socket(ctx);
    let Some(member) = acting(state, sk) else {
        return ALLOW;
    };
    let asked = asked(ctx, side);
    if is_turned_already(state, sk, &asked) {
        return ALLOW;
    }
    turn(ctx, side, state, member, asked, hook::SENDMSG)
}

/// A v6 socket that was connected to a v4-mapped address sends through the v4 hook, with the
/// address that connect6 put in.
#[inline(always)]
fn is_turned_already(state: &State, sk: *mut c_void, asked: &Asked) -> bool {
    let here = loopback(asked.is_v4());
    let port = dns_port(state, asked.is_v4());
    if port == 0 || asked.port != port || asked.ip != here {
        return false;
    }
    let known = SOCKETS.find(sk);
    // SAFETY: not null, so a value of the map.
    !known.is_null() && unsafe { (*known).kind } == kind::DNS
}

#[inline(always)]
fn turn(
    ctx: &SockAddrContext,
    side: Side,
    state: &State,
    member: Member,
    asked: Asked,
    hook: u8,
) -> i32 {
    // SAFETY: helpers; the context is this program's own.
    let (netns, now) = unsafe { (bpf_get_netns_cookie(ctx.as_ptr()), bpf_ktime_get_ns()) };
    let decision = decide(state, &member, netns, now, &asked);
    let (port, kind) = match decision {
        Decision::Turn(port, kind) => (port, kind),
        Decision::Pass => (asked.port, kind::OPEN),
        Decision::Refuse(reason) => {
            refuse(member, asked.refusal(hook, reason));
            return DENY;
        }
    };
    let sk = socket(ctx);
    let known = SOCKETS.make(sk);
    if known.is_null() {
        count(Counter::LostSockets);
        refuse(member, asked.refusal(hook, reason::NO_MEMORY));
        return DENY;
    }
    // SAFETY: not null, so a value of the map; one socket is connected by one thread at a time.
    unsafe { remember(sk, known, &member, netns, &asked, kind) };
    match kind {
        kind::OPEN => {
            count(Counter::PassedDown);
            return ALLOW;
        }
        kind::DNS => count(Counter::Resolved),
        _ => count(Counter::Redirected),
    }
    rewrite(ctx, side, &loopback(asked.is_v4()), port);
    ALLOW
}

#[inline(always)]
unsafe fn remember(
    sk: *mut c_void,
    known: *mut SocketTag,
    member: &Member,
    netns: u64,
    asked: &Asked,
    kind: u8,
) {
    // SAFETY: the caller's.
    unsafe {
        (*known).member = *member;
        (*known).netns = netns;
        (*known).ip = asked.ip;
        (*known).port = asked.port;
        (*known).family = if asked.is_v4() { FAMILY_V4 } else { FAMILY_V6 };
        (*known).kind = kind;
        (*known).tid = current_thread();
    }
    // SAFETY: the caller's.
    remember_whole(sk, unsafe { &*known });
}

/// An MPTCP connection is asked for its peer by the socket that the member has; what is connected
/// is a subflow of it.
#[inline(always)]
fn remember_whole(sk: *mut c_void, known: &SocketTag) {
    if MPTCP_KNOWN.load() == 0 {
        return;
    }
    // SAFETY: the verifier checks that it is a socket; null where it is no subflow.
    let whole: *mut c_void = unsafe { bpf_skc_to_mptcp_sock(sk) }.cast();
    if whole.is_null() {
        return;
    }
    let of = SOCKETS.make(whole);
    if !of.is_null() {
        // SAFETY: not null, so a value of the map.
        unsafe { *of = *known };
    }
}
