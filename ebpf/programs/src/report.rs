//! Counters and events.

use crate::maps::{EVENTS, STATS};
use crate::offsets::{TASK_PID, peek};
use aya_ebpf::helpers::{bpf_get_current_task, bpf_ktime_get_boot_ns};
use sluice_abi::{Counter, EventHead, Member, REFUSED, RefusedEvent, hook, reason};

/// `BPF_RB_NO_WAKEUP`: the daemon drains every few milliseconds, a wake-up a event costs more.
pub const NO_WAKEUP: u64 = 1;

/// Adds one to a counter.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(value) = STATS.get_ptr_mut(counter as u32) {
        // SAFETY: this CPU's own slot of an array map.
        unsafe { *value += 1 };
    }
}

/// The head of an event of the current thread.
#[inline(always)]
pub fn head(kind: u32, member: Member) -> EventHead {
    EventHead {
        kind,
        tid: current_thread(),
        // SAFETY: a helper without arguments.
        at: unsafe { bpf_ktime_get_boot_ns() },
        member,
    }
}

/// Id of the current thread. Not by `bpf_get_current_pid_tgid`, which programs for packets have
/// only since Linux 6.10.
#[inline(always)]
pub fn current_thread() -> u32 {
    // SAFETY: a helper without arguments.
    peek(unsafe { bpf_get_current_task() }, &TASK_PID)
}

/// Puts a fixed-size event into the ring buffer; false when it is full.
#[inline(always)]
pub fn emit<T: 'static>(event: T) -> bool {
    match EVENTS.reserve_untyped::<T>(0) {
        Some(mut entry) => {
            entry.write(event);
            entry.submit(NO_WAKEUP);
            true
        }
        None => {
            count(Counter::LostEvents);
            false
        }
    }
}

/// What was refused.
#[derive(Clone, Copy, Default)]
pub struct Refusal {
    /// One of `sluice_abi::hook`.
    pub hook: u8,
    /// One of `sluice_abi::reason`.
    pub reason: u8,
    /// Address asked for.
    pub ip: [u32; 4],
    /// Port asked for.
    pub port: u16,
    /// Family of the socket.
    pub family: u32,
    /// Type of the socket.
    pub socket_type: u32,
    /// Protocol of the socket.
    pub protocol: u32,
}

/// Counts a refusal and tells it.
#[inline(always)]
pub fn refuse(member: Member, what: Refusal) {
    if what.hook == hook::EGRESS {
        count(Counter::EgressDropped);
    } else {
        count(Counter::Refused);
    }
    if what.reason == reason::DOWN {
        count(Counter::RefusedDown);
    }
    emit(RefusedEvent {
        head: head(REFUSED, member),
        ip: what.ip,
        port: what.port,
        family: what.family as u16,
        socket_type: what.socket_type as u16,
        protocol: if what.protocol > 0xffff {
            0xffff
        } else {
            what.protocol as u16
        },
        hook: what.hook,
        reason: what.reason,
        pad: [0; 6],
    });
}
