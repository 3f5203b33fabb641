//! The tag spreads at fork, is counted up at exec, and goes when the last thread ends.

use crate::exec_event;
use crate::maps::{PROCESSES, RUNNERS, STATE};
use crate::membership::{current, current_process, of, remember, runner};
use crate::offsets::{
    GENERATION, SIGNAL_LIVE, TASK_EXIT_CODE, TASK_SIGNAL, TASK_START_BOOTTIME, TASK_TGID, peek,
};
use crate::report::{count, emit, head};
use sluice_abi::{
    Counter, EXIT, ExitEvent, FORK, ForkEvent, ProcessKey, ProcessTag, State, runner as in_runner,
    tag,
};

/// While an upgrade has two loadings attached, only one of them acts.
#[inline(always)]
pub fn active() -> Option<&'static State> {
    let state = STATE.get(0)?;
    (state.generation == GENERATION.load()).then_some(state)
}

/// `sched_process_fork`: runs in the parent, before the child does.
#[inline(always)]
pub fn forked(child: u64) -> Option<()> {
    let state = active()?;
    let tgid: u32 = peek(child, &TASK_TGID);
    if tgid == current_process().tgid {
        return None; // a thread
    }
    let parent = current(state)?;
    let child = ProcessKey {
        started: peek(child, &TASK_START_BOOTTIME),
        tgid,
        pad: 0,
    };
    let told = emit(ForkEvent {
        head: head(FORK, parent),
        child,
    });
    let unseen = if told { 0 } else { tag::INCOMPLETE };
    let flags = (parent.flags & tag::INCOMPLETE) | unseen;
    let tag = ProcessTag {
        job: parent.job,
        ordinal: 0,
        flags,
    };
    if !remember(&child, &tag) {
        no_more_roots(state);
    }
    Some(())
}

/// A member's child has no tag: in this cgroup it could pass for one that comes from outside.
#[inline(always)]
fn no_more_roots(state: &State) {
    let Some((cgroup, _)) = runner(state) else {
        return;
    };
    if let Some(runner) = RUNNERS.get_ptr_mut(cgroup) {
        // SAFETY: a value of the map; every writer in the kernel writes the same.
        unsafe { (*runner).since = u64::MAX };
    }
}

/// `sched_process_exec`: runs in the process, with its new image in place.
#[inline(always)]
pub fn executed(task: u64, bprm: u64) -> Option<()> {
    let state = active()?;
    let process = current_process();
    let found = match PROCESSES.get_ptr_mut(process) {
        Some(found) => {
            // SAFETY: a value of the map; only this process's own exec writes it.
            unsafe {
                (*found).ordinal += 1;
                *found
            }
        }
        None => {
            let (cgroup, runner) = runner(state)?;
            let flags = if took_root(cgroup) {
                tag::ROOT
            } else if process.started >= runner.since {
                tag::ROOT | tag::ADOPTED
            } else {
                tag::ADOPTED | tag::INCOMPLETE
            };
            let found = ProcessTag {
                job: runner.job,
                ordinal: 1,
                flags,
            };
            remember(&process, &found);
            found
        }
    };
    if !exec_event::tell(task, bprm, of(process, found)) {
        count(Counter::LostEvents);
        if let Some(found) = PROCESSES.get_ptr_mut(process) {
            // SAFETY: as above.
            unsafe { (*found).flags |= tag::INCOMPLETE };
        }
    }
    Some(())
}

/// Whether the job of this cgroup has no root yet; it has one then. Who comes later into the cgroup
/// of one job without a tag found PROCESSES full, or was put there from outside: never a root.
#[inline(always)]
fn took_root(cgroup: u64) -> bool {
    let Some(runner) = RUNNERS.get_ptr_mut(cgroup) else {
        return false;
    };
    // SAFETY: a value of the map; `sluice enter` is alone in the cgroup when it executes.
    unsafe {
        let fresh = (*runner).flags & in_runner::FRESH != 0;
        (*runner).flags &= !in_runner::FRESH;
        fresh
    }
}

/// `sched_process_exit`: runs in each thread that ends.
#[inline(always)]
pub fn exited(task: u64) -> Option<()> {
    active()?;
    let signal: u64 = peek(task, &TASK_SIGNAL);
    let live: u32 = peek(signal, &SIGNAL_LIVE);
    if live != 0 {
        return None; // other threads of the process live on
    }
    let process = current_process();
    // SAFETY: the value is copied at once.
    let member = of(process, *unsafe { PROCESSES.get(process) }?);
    if PROCESSES.remove(process).is_ok() {
        let status = peek(task, &TASK_EXIT_CODE);
        emit(ExitEvent {
            head: head(EXIT, member),
            status,
            pad: 0,
        });
    }
    Some(())
}
