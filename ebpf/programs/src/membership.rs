//! Who is a member: a process that carries a tag, or one in a registered cgroup or below it.

use crate::maps::{PROCESSES, RUNNERS, SOCKETS};
use crate::offsets::{TASK_GROUP_LEADER, TASK_START_BOOTTIME, TASK_TGID, peek};
use crate::report::{count, emit, head};
use aya_ebpf::helpers::bpf_get_current_task;
use aya_ebpf::helpers::generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id};
use core::ffi::c_void;
use sluice_abi::{
    ADOPTED, AdoptedEvent, Counter, Member, ProcessKey, ProcessTag, RUNNER_DEPTH_MAX, Runner,
    State, tag,
};

/// The current process: threads and io_uring workers count as their process.
#[inline(always)]
pub fn current_process() -> ProcessKey {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let leader: u64 = peek(task, &TASK_GROUP_LEADER);
    ProcessKey {
        started: peek(leader, &TASK_START_BOOTTIME),
        tgid: peek(task, &TASK_TGID),
        pad: 0,
    }
}

/// The registered cgroup that the current process is in or below, the nearest to the root, and
/// its id.
#[inline(always)]
pub fn runner(state: &State) -> Option<(u64, Runner)> {
    let deepest = state.runner_depth;
    for level in 1..=RUNNER_DEPTH_MAX {
        if level > deepest {
            break;
        }
        // SAFETY: a helper that takes a number.
        let id = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
        if id == 0 {
            break;
        }
        // SAFETY: the value is copied at once.
        if let Some(runner) = unsafe { RUNNERS.get(id) } {
            return Some((id, *runner));
        }
    }
    None
}

/// The current process as a member, tagged on the spot where only its cgroup tells it.
#[inline(always)]
pub fn current(state: &State) -> Option<Member> {
    let process = current_process();
    // SAFETY: the value is copied at once.
    if let Some(found) = unsafe { PROCESSES.get(process) } {
        return Some(of(process, *found));
    }
    let (_, runner) = runner(state)?;
    Some(adopt(process, runner.job))
}

/// The current process, or the owner of the socket: a socket that a member made stays a member's
/// wherever it is handed.
#[inline(always)]
pub fn acting(state: &State, sk: *mut c_void) -> Option<Member> {
    if let Some(member) = current(state) {
        return Some(member);
    }
    let owner = SOCKETS.find(sk);
    if owner.is_null() {
        return None;
    }
    // SAFETY: not null, so a value of the map.
    Some(unsafe { (*owner).member })
}

/// A member out of its tag.
#[inline(always)]
pub fn of(process: ProcessKey, found: ProcessTag) -> Member {
    Member {
        process,
        job: found.job,
        ordinal: found.ordinal,
        flags: found.flags,
    }
}

#[inline(always)]
fn adopt(process: ProcessKey, job: u64) -> Member {
    let mut found = ProcessTag {
        job,
        ordinal: 0,
        flags: tag::ADOPTED | tag::INCOMPLETE,
    };
    if !remember(&process, &found) {
        found.flags |= tag::UNTAGGED;
        return of(process, found);
    }
    let member = of(process, found);
    count(Counter::Adopted);
    // SAFETY: a helper without arguments.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    emit(AdoptedEvent {
        head: head(ADOPTED, member),
        cgroup,
    });
    member
}

/// Tags a process; false when the map is full, which is counted. Such a process is a member by its
/// cgroup only, and is refused ([`tag::UNTAGGED`]).
#[inline(always)]
pub fn remember(process: &ProcessKey, found: &ProcessTag) -> bool {
    let told = PROCESSES.insert(process, found, 0).is_ok();
    if !told {
        count(Counter::LostTags);
    }
    told
}
