//! Sockets that were connected outside of every job and came into one: over SCM_RIGHTS, by
//! inheritance, by `pidfd_getfd`. No hook runs at connect for them, so it is seen who sends.
//!
//! What leaves in softirq leaves in nobody's name: the current process is whoever ran last. A
//! stream sends in softirq only while nobody has its lock, so a lock that is held means that the
//! current process sends. A datagram of a socket that a process has is always sent by the current
//! process. What was refused once is sent again by a timer, so the socket itself is shut, and the
//! daemon is told to end it: what waits in it must not outlive these programs.

use crate::decision::{DGRAM, MAPPED, STREAM};
use crate::lineage::active;
use crate::maps::{HANDED_IN, PROCESSES, SOCKETS, STATE};
use crate::membership::{current_process, of};
use crate::offsets::{
    NET_NUMBER, SOCK_FAMILY, SOCK_INTERFACE, SOCK_LOCAL_PORT, SOCK_LOCAL_V4, SOCK_LOCAL_V6,
    SOCK_NET, SOCK_OWNED, SOCK_PROTOCOL, SOCK_REMOTE_PORT, SOCK_REMOTE_V4, SOCK_REMOTE_V6,
    SOCK_SOCKET, SOCK_TYPE, SOCKET_FILE, peek,
};
use crate::report::{Refusal, count, refuse};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_probe_read_kernel, bpf_sk_fullsock};
use aya_ebpf::programs::SkBuffContext;
use core::ffi::c_void;
use core::ptr::{addr_of, from_mut, read_volatile};
use sluice_abi::{
    Counter, FAMILY_V4, FAMILY_V6, HandedIn, Member, STATE_OPEN_WHEN_DOWN, hook, kind, reason, tag,
};

/// `SOCK_RAW`
const RAW: u32 = 3;
/// `TCP_LISTEN`: what leaves a listener is an answer of the kernel's, without the lock.
const LISTEN: u32 = 10;

/// The member that sends a packet on a socket of no member; `None` where nobody's member does.
#[inline(always)]
pub fn sender(ctx: &SkBuffContext, sk: *mut c_void) -> Option<Member> {
    // SAFETY: the verifier checks that it is a socket.
    let sk: *mut bpf_sock = unsafe { bpf_sk_fullsock(sk.cast()) };
    if sk.is_null() {
        return None;
    }
    // SAFETY: not null, so a whole socket.
    let (socket_type, state) = unsafe {
        (
            read_volatile(addr_of!((*sk).type_)),
            read_volatile(addr_of!((*sk).state)),
        )
    };
    let datagram = socket_type == DGRAM || socket_type == RAW;
    if !datagram && state == LISTEN {
        return None;
    }
    let here = address(sk);
    let by_current = if datagram {
        let socket: u64 = peek(here, &SOCK_SOCKET);
        socket != 0 && peek::<u64>(socket, &SOCKET_FILE) != 0
    } else {
        peek::<u32>(here, &SOCK_OWNED) != 0
    };
    if !by_current {
        return None;
    }
    let member = current_member()?;
    if !datagram {
        // SAFETY: a helper; the context is this program's own, and its socket is `sk`.
        let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
        shut(sk.cast(), cookie, &stream(here), &member);
    }
    Some(member)
}

/// The current process where it is a member. An image that ran before sluice did (an agent) may go
/// on with what it had connected by then; what it starts may not.
#[inline(always)]
fn current_member() -> Option<Member> {
    let process = current_process();
    // SAFETY: the value is copied at once.
    let found = *unsafe { PROCESSES.get(process) }?;
    if found.flags & tag::ADOPTED != 0 && found.ordinal == 0 {
        return None;
    }
    let state = STATE.get(0)?;
    // SAFETY: a helper without arguments.
    let down = unsafe { bpf_ktime_get_ns() } > state.deadline;
    if down && state.flags & STATE_OPEN_WHEN_DOWN != 0 {
        return None;
    }
    Some(of(process, found))
}

/// `sock_send_length`: runs after each send, on whatever socket. What a stream keeps for later
/// (`MSG_MORE`, a full window) leaves in nobody's name, so the socket is shut before it does.
#[inline(always)]
pub fn sent(sk: *mut c_void) -> Option<()> {
    active()?;
    if !SOCKETS.find(sk).is_null() {
        return None;
    }
    let member = current_member()?;
    let here = address(sk.cast());
    let family: u16 = peek(here, &SOCK_FAMILY);
    let internet = family == u16::from(FAMILY_V4) || family == u16::from(FAMILY_V6);
    if !internet || u32::from(peek::<u16>(here, &SOCK_TYPE)) != STREAM {
        return None;
    }
    let stream = stream(here);
    // SAFETY: a helper; the verifier checks that it is a socket.
    let cookie = unsafe { bpf_get_socket_cookie(sk) };
    shut(sk, cookie, &stream, &member);
    let what = Refusal {
        hook: hook::EGRESS,
        reason: reason::HANDED_IN,
        ip: stream.remote_ip,
        port: stream.remote_port,
        family: u32::from(family),
        socket_type: STREAM,
        protocol: stream.protocol,
    };
    refuse(member, what);
    Some(())
}

/// Lets nothing leave the socket any more, and asks the daemon to end it.
#[inline(always)]
fn shut(sk: *mut c_void, cookie: u64, stream: &HandedIn, member: &Member) {
    if HANDED_IN.insert(cookie, *stream, 0).is_err() {
        count(Counter::LostHandedIn);
    }
    let known = SOCKETS.make(sk);
    if known.is_null() {
        return; // the next packet is refused by itself
    }
    // SAFETY: not null, so a value of the map.
    unsafe {
        (*known).member = *member;
        (*known).kind = kind::HANDED_IN;
    }
}

/// By what the daemon finds a stream.
#[inline(always)]
fn stream(here: u64) -> HandedIn {
    let family: u16 = peek(here, &SOCK_FAMILY);
    let v4 = family == u16::from(FAMILY_V4);
    let net: u64 = peek(here, &SOCK_NET);
    HandedIn {
        local_ip: ip(v4, peek(here, &SOCK_LOCAL_V4), peek(here, &SOCK_LOCAL_V6)),
        remote_ip: ip(v4, peek(here, &SOCK_REMOTE_V4), peek(here, &SOCK_REMOTE_V6)),
        local_port: peek(here, &SOCK_LOCAL_PORT),
        remote_port: u16::from_be(peek(here, &SOCK_REMOTE_PORT)),
        protocol: u32::from(peek::<u16>(here, &SOCK_PROTOCOL)),
        interface: peek(here, &SOCK_INTERFACE),
        netns: peek(net, &NET_NUMBER),
    }
}

#[inline(always)]
fn ip(v4: bool, of_v4: u32, of_v6: [u32; 4]) -> [u32; 4] {
    if v4 { [0, 0, MAPPED, of_v4] } else { of_v6 }
}

/// The socket as a number: the verifier allows no arithmetic on its pointer, and what a helper
/// copies off the stack is a number to it.
#[inline(always)]
fn address(sk: *mut bpf_sock) -> u64 {
    let kept = sk;
    let mut number = 0_u64;
    let from: *const c_void = addr_of!(kept).cast();
    // SAFETY: eight bytes of this stack frame to eight others.
    unsafe { bpf_probe_read_kernel(from_mut(&mut number).cast(), 8, from) };
    number
}
