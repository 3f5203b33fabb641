//! Reads and writes the address in the context of a socket address hook. Field by field and
//! volatile: the verifier refuses accesses that LLVM has merged or moved.

use crate::decision::{Asked, LOOPBACK_V4, LOOPBACK_V6, MAPPED};
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use core::ffi::c_void;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

/// Which of the two kinds of hook a program is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `...4`: the address is in `user_ip4`.
    V4,
    /// `...6`: the address is in `user_ip6`.
    V6,
}

/// The socket.
#[inline(always)]
pub fn socket(ctx: &SockAddrContext) -> *mut c_void {
    // SAFETY: the context is valid for the program's run; all variants of the union are this field.
    unsafe { read_volatile(addr_of!((*ctx.sock_addr).__bindgen_anon_1.sk)).cast() }
}

/// The address that is in the context, and what the socket is.
#[inline(always)]
pub fn asked(ctx: &SockAddrContext, side: Side) -> Asked {
    let raw = ctx.sock_addr;
    // SAFETY: the context is valid for the program's run.
    unsafe {
        Asked {
            ip: address(raw, side),
            port: u16::from_be(read_volatile(addr_of!((*raw).user_port)) as u16),
            family: read_volatile(addr_of!((*raw).family)),
            socket_type: read_volatile(addr_of!((*raw).type_)),
            protocol: read_volatile(addr_of!((*raw).protocol)),
        }
    }
}

#[inline(always)]
unsafe fn address(raw: *mut bpf_sock_addr, side: Side) -> [u32; 4] {
    // SAFETY: the caller's; each hook has the field of its side.
    unsafe {
        match side {
            Side::V4 => [0, 0, MAPPED, read_volatile(addr_of!((*raw).user_ip4))],
            Side::V6 => [
                read_volatile(addr_of!((*raw).user_ip6[0])),
                read_volatile(addr_of!((*raw).user_ip6[1])),
                read_volatile(addr_of!((*raw).user_ip6[2])),
                read_volatile(addr_of!((*raw).user_ip6[3])),
            ],
        }
    }
}

/// Puts another address into the context.
#[inline(always)]
pub fn rewrite(ctx: &SockAddrContext, side: Side, ip: &[u32; 4], port: u16) {
    let raw = ctx.sock_addr;
    // SAFETY: as in `asked`.
    unsafe {
        match side {
            Side::V4 => write_volatile(addr_of_mut!((*raw).user_ip4), ip[3]),
            Side::V6 => {
                write_volatile(addr_of_mut!((*raw).user_ip6[0]), ip[0]);
                write_volatile(addr_of_mut!((*raw).user_ip6[1]), ip[1]);
                write_volatile(addr_of_mut!((*raw).user_ip6[2]), ip[2]);
                write_volatile(addr_of_mut!((*raw).user_ip6[3]), ip[3]);
            }
        }
        write_volatile(addr_of_mut!((*raw).user_port), u32::from(port.to_be()));
    }
}

/// The loopback address of a family, v4 in its mapped form.
#[inline(always)]
pub fn loopback(v4: bool) -> [u32; 4] {
    if v4 {
        [0, 0, MAPPED, LOOPBACK_V4]
    } else {
        [0, 0, 0, LOOPBACK_V6]
    }
}
