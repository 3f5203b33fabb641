//! `socket`: lets members make TCP, MPTCP and UDP sockets, and marks them as theirs.

use crate::decision::{DGRAM, MPTCP, STREAM, TCP, UDP};
use crate::maps::{SOCKETS, STATE};
use crate::membership::current;
use crate::report::{Refusal, count, refuse};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::programs::SockContext;
use core::ptr::{addr_of, read_volatile};
use sluice_abi::{Counter, hook, reason};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// `sock_create`; the kernel runs it for `AF_INET` and `AF_INET6`.
#[inline(always)]
pub fn create(ctx: &SockContext) -> i32 {
    let Some(state) = STATE.get(0) else {
        return DENY;
    };
    let Some(member) = current(state) else {
        return ALLOW;
    };
    let sock = ctx.sock;
    // SAFETY: the context is valid for the program's run.
    let (family, socket_type, protocol) = unsafe {
        (
            read_volatile(addr_of!((*sock).family)),
            read_volatile(addr_of!((*sock).type_)),
            read_volatile(addr_of!((*sock).protocol)),
        )
    };
    let refused = |reason| Refusal {
        hook: hook::SOCKET,
        reason,
        family,
        socket_type,
        protocol,
        ..Refusal::default()
    };
    match (socket_type, protocol) {
        (STREAM, TCP | MPTCP) | (DGRAM, UDP) => {}
        _ => {
            refuse(member, refused(reason::SOCKET_KIND));
            return DENY;
        }
    }
    let known = SOCKETS.make(ctx.as_ptr());
    if known.is_null() {
        count(Counter::LostSockets);
        refuse(member, refused(reason::NO_MEMORY));
        return DENY;
    }
    // SAFETY: not null, so a value of the map; nobody else has the socket yet.
    unsafe { (*known).member = member };
    ALLOW
}
