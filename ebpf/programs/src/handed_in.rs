//! Sockets that were connected outside of every job and came into one: over SCM_RIGHTS, by
//! inheritance, by `pidfd_getfd`. No hook runs at connect for them, so it is seen who sends.
//!
//! What leaves in softirq leaves in nobody's name: the current process is whoever ran last. A
//! stream sends in softirq only while nobody has its lock, so a lock that is held means that the
//! current process sends. A datagram of a socket that a process has is always sent by the current
//! process. What was refused once is sent again by a timer, so the socket itself is shut.

use crate::decision::{DGRAM, STREAM};
use crate::lineage::active;
use crate::maps::{PROCESSES, SOCKETS, STATE};
use crate::membership::{current_process, of};
use crate::offsets::{SOCK_FAMILY, SOCK_OWNED, SOCK_SOCKET, SOCK_TYPE, SOCKET_FILE, peek};
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_sk_fullsock};
use core::ffi::c_void;
use core::ptr::{addr_of, from_mut, read_volatile};
use sluice_abi::{FAMILY_V4, FAMILY_V6, Member, STATE_OPEN_WHEN_DOWN, kind, tag};

/// `SOCK_RAW`
const RAW: u32 = 3;
/// `TCP_LISTEN`: what leaves a listener is an answer of the kernel's, without the lock.
const LISTEN: u32 = 10;

/// The member that sends a packet on a socket of no member; `None` where nobody's member does.
#[inline(always)]
pub fn sender(sk: *mut c_void) -> Option<Member> {
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
        shut(sk.cast(), &member);
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
    if internet && u32::from(peek::<u16>(here, &SOCK_TYPE)) == STREAM {
        shut(sk, &member);
    }
    Some(())
}

/// Lets nothing leave the socket any more.
#[inline(always)]
fn shut(sk: *mut c_void, member: &Member) {
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
