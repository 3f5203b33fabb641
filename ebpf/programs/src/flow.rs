//! Ties a redirected connection to its origin before the SYN leaves, so that the proxy finds it
//! when it accepts.

use crate::maps::{FLOWS, SOCKETS};
use crate::report::count;
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock_ops;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_setsockopt};
use aya_ebpf::programs::SockOpsContext;
use core::ffi::c_void;
use core::ptr::{addr_of, read_volatile};
use sluice_abi::{Counter, FAMILY_V4, FlowKey, Origin, PROTO_TCP, SocketTag, kind};

use crate::decision::MAPPED;

/// `BPF_SOCK_OPS_TCP_CONNECT_CB`
const TCP_CONNECT: u32 = 3;
/// `IPPROTO_TCP` as a level of socket options.
const SOL_TCP: i32 = 6;
/// `TCP_CONGESTION`
const TCP_CONGESTION: i32 = 13;

/// `sock_ops`.
#[inline(always)]
pub fn connecting(ctx: &SockOpsContext) {
    if ctx.op() != TCP_CONNECT {
        return;
    }
    // SAFETY: the context is valid for the program's run; all variants of the union are this field.
    let sk: *mut c_void = unsafe { read_volatile(addr_of!((*ctx.ops).__bindgen_anon_2.sk)).cast() };
    if sk.is_null() {
        return;
    }
    let known = SOCKETS.find(sk);
    if known.is_null() {
        return;
    }
    // SAFETY: not null, so a value of the map.
    let known = unsafe { &*known };
    if known.kind != kind::REDIRECTED {
        return;
    }
    // SAFETY: a helper; the context is this program's own.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let key = key(ctx, known);
    if FLOWS
        .insert(key, origin(known, cookie, PROTO_TCP), 0)
        .is_err()
    {
        count(Counter::LostFlows);
    }
    pace(ctx);
}

/// The flow as the proxy's accept sees it.
#[inline(always)]
fn key(ctx: &SockOpsContext, known: &SocketTag) -> FlowKey {
    let ops: *mut bpf_sock_ops = ctx.ops;
    // All are read, and then one is chosen: LLVM would choose the offset and read once, which the
    // verifier refuses.
    // SAFETY: the context is valid for the program's run.
    let (v4, v6) = unsafe {
        let v6 = [
            read_volatile(addr_of!((*ops).local_ip6[0])),
            read_volatile(addr_of!((*ops).local_ip6[1])),
            read_volatile(addr_of!((*ops).local_ip6[2])),
            read_volatile(addr_of!((*ops).local_ip6[3])),
        ];
        (read_volatile(addr_of!((*ops).local_ip4)), v6)
    };
    let ip = if known.family == FAMILY_V4 {
        [0, 0, MAPPED, v4]
    } else {
        v6
    };
    FlowKey {
        netns: known.netns,
        ip,
        port: ctx.local_port() as u16,
        protocol: PROTO_TCP,
        family: known.family,
        pad: 0,
    }
}

/// What the proxy learns of a flow.
#[inline(always)]
pub fn origin(known: &SocketTag, cookie: u64, protocol: u8) -> Origin {
    Origin {
        member: known.member,
        cookie,
        // SAFETY: a helper without arguments.
        at: unsafe { bpf_ktime_get_boot_ns() },
        ip: known.ip,
        port: known.port,
        family: known.family,
        protocol,
        tid: known.tid,
    }
}

/// BBR paces even on loopback and is 2.6 times slower there; the way to the proxy needs no such care.
#[inline(always)]
fn pace(ctx: &SockOpsContext) {
    let mut reno = *b"reno";
    // SAFETY: four bytes of this stack frame.
    unsafe {
        bpf_setsockopt(
            ctx.as_ptr(),
            SOL_TCP,
            TCP_CONGESTION,
            reno.as_mut_ptr().cast(),
            4,
        )
    };
}
