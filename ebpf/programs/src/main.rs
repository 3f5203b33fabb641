//! The kernel programs of sluice: one thin entry function a hook, the decision in its module.
//!
//! All hooks are attached at the root of cgroup v2 and act on members only (`membership`). What
//! the maps hold is described in `sluice-abi`. An entry function is not named like its section:
//! LLVM takes that for a symbol defined twice.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod address;
mod connect;
mod decision;
mod egress;
mod exec_event;
mod flow;
mod handed_in;
mod lineage;
mod maps;
mod membership;
mod names;
mod offsets;
mod report;
mod socket;

use address::Side;
use aya_ebpf::macros::{btf_tracepoint, cgroup_skb, cgroup_sock, cgroup_sock_addr, sock_ops};
use aya_ebpf::programs::{
    BtfTracePointContext, SkBuffContext, SockAddrContext, SockContext, SockOpsContext,
};

/// `connect(2)` to an IPv4 address.
#[cgroup_sock_addr(connect4)]
pub fn sluice_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect(&ctx, Side::V4)
}

/// `connect(2)` to an IPv6 address, v4-mapped ones too.
#[cgroup_sock_addr(connect6)]
pub fn sluice_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect(&ctx, Side::V6)
}

/// A datagram to an IPv4 address, also from an IPv6 socket.
#[cgroup_sock_addr(sendmsg4)]
pub fn sluice_sendmsg4(ctx: SockAddrContext) -> i32 {
    connect::sendmsg(&ctx, Side::V4)
}

/// A datagram to an IPv6 address.
#[cgroup_sock_addr(sendmsg6)]
pub fn sluice_sendmsg6(ctx: SockAddrContext) -> i32 {
    connect::sendmsg(&ctx, Side::V6)
}

/// The source of a datagram that an IPv4 socket received.
#[cgroup_sock_addr(recvmsg4)]
pub fn sluice_recvmsg4(ctx: SockAddrContext) -> i32 {
    names::recvmsg(&ctx, Side::V4)
}

/// The source of a datagram that an IPv6 socket received.
#[cgroup_sock_addr(recvmsg6)]
pub fn sluice_recvmsg6(ctx: SockAddrContext) -> i32 {
    names::recvmsg(&ctx, Side::V6)
}

/// The peer of an IPv4 socket.
#[cgroup_sock_addr(getpeername4)]
pub fn sluice_peer4(ctx: SockAddrContext) -> i32 {
    names::getpeername(&ctx, Side::V4)
}

/// The peer of an IPv6 socket.
#[cgroup_sock_addr(getpeername6)]
pub fn sluice_peer6(ctx: SockAddrContext) -> i32 {
    names::getpeername(&ctx, Side::V6)
}

/// `socket(2)`.
#[cgroup_sock(sock_create)]
pub fn sluice_socket(ctx: SockContext) -> i32 {
    socket::create(&ctx)
}

/// Events of TCP sockets.
#[sock_ops]
pub fn sluice_flow(ctx: SockOpsContext) -> u32 {
    flow::connecting(&ctx);
    1
}

/// Packets that leave.
#[cgroup_skb(egress)]
pub fn sluice_egress(ctx: SkBuffContext) -> i32 {
    egress::leaving(&ctx)
}

/// A process or thread was made: (parent, child).
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sluice_fork(ctx: BtfTracePointContext) -> i32 {
    let _ = lineage::forked(ctx.arg(1));
    0
}

/// A process runs a new image: (task, old pid, bprm).
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sluice_exec(ctx: BtfTracePointContext) -> i32 {
    let _ = lineage::executed(ctx.arg(0), ctx.arg(2));
    0
}

/// A thread ends: (task).
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sluice_exit(ctx: BtfTracePointContext) -> i32 {
    let _ = lineage::exited(ctx.arg(0));
    0
}

/// Something was sent on a socket: (socket, length, flags).
#[btf_tracepoint(function = "sock_send_length")]
pub fn sluice_sent(ctx: BtfTracePointContext) -> i32 {
    let _ = handed_in::sent(ctx.arg(0));
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Several helpers are for programs under a GPL-compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
