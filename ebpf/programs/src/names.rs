//! Shows a member the address that it asked for: as its peer, and as the source of DNS answers.

use crate::address::{Side, asked, loopback, rewrite, socket};
use crate::decision::dns_port;
use crate::maps::{SOCKETS, STATE};
use aya_ebpf::programs::SockAddrContext;
use sluice_abi::kind;

/// These hooks must say 1: the kernel knows no refusal here.
const DONE: i32 = 1;

/// `getpeername4` and `getpeername6`.
#[inline(always)]
pub fn getpeername(ctx: &SockAddrContext, side: Side) -> i32 {
    let known = SOCKETS.find(socket(ctx));
    if known.is_null() {
        return DONE;
    }
    // SAFETY: not null, so a value of the map.
    let known = unsafe { &*known };
    let shown = asked(ctx, side);
    let turned = known.kind == kind::REDIRECTED || known.kind == kind::DNS;
    if turned && shown.ip == loopback(shown.is_v4()) {
        rewrite(ctx, side, &known.ip, known.port);
    }
    DONE
}

/// `recvmsg4` and `recvmsg6`.
#[inline(always)]
pub fn recvmsg(ctx: &SockAddrContext, side: Side) -> i32 {
    let known = SOCKETS.find(socket(ctx));
    if known.is_null() {
        return DONE;
    }
    // SAFETY: not null, so a value of the map.
    let known = unsafe { &*known };
    let Some(state) = STATE.get(0) else {
        return DONE;
    };
    let source = asked(ctx, side);
    let v4 = source.is_v4();
    let port = dns_port(state, v4);
    if known.kind == kind::DNS && source.port == port && source.ip == loopback(v4) {
        rewrite(ctx, side, &known.ip, known.port);
    }
    DONE
}
