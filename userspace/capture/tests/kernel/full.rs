//! More processes than the kernel side can remember.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork, pipe};
use sluice_flow::kernel::KernelEvent;

use crate::harness::{Bench, LONG, command, results};
use crate::member::say;

/// Processes that are remembered in these tests: the member, and those that it starts to wait.
const MEMBERS: u32 = 4;

/// Fills the table up, connects with one process more, makes room, and connects with another.
pub(crate) fn crowd(target: &str) {
    let (wait_here, released) = pipe().unwrap();
    let (ready, tell): (OwnedFd, OwnedFd) = pipe().unwrap();
    for _ in 1..MEMBERS {
        // SAFETY: the other threads of the test binary wait; the child reads and ends.
        if let ForkResult::Child = unsafe { fork() }.unwrap() {
            drop(released);
            std::fs::File::from(tell).write_all(b"x").unwrap();
            let _ = std::fs::File::from(wait_here).read(&mut [0]);
            // SAFETY: ends the child without the exit handlers of its parent's copy.
            unsafe { libc::_exit(0) };
        }
    }
    let mut all = [0; MEMBERS as usize - 1];
    std::fs::File::from(ready).read_exact(&mut all).unwrap();
    connects(target);
    drop(released);
    for _ in 1..MEMBERS {
        wait().unwrap();
    }
    connects(target);
}

fn connects(target: &str) {
    let child = command(&format!("connect-only {target}")).spawn().unwrap();
    results(child).iter().for_each(say);
}

#[test]
fn a_process_that_cannot_be_remembered_is_refused_and_never_shown_as_a_root() {
    let Some(bench) = Bench::closed_with(MEMBERS) else {
        return;
    };
    bench.capture.heartbeat(LONG).unwrap();
    let said = bench.member("crowd 127.9.9.9:8080");
    assert_eq!(said, ["EPERM", "ok"]);
    let (_, _, origin) = bench.accept(true);
    assert!(!origin.unwrap().incomplete);
    assert!(bench.stat("lost_tags") > 0);
    let (mut roots, mut found, mut refused) = (0, 0, 0);
    for event in bench.capture.drain() {
        match event {
            KernelEvent::Started(started) => {
                roots += u32::from(started.root);
                found += u32::from(started.found);
            }
            KernelEvent::Refused {
                incomplete,
                refusal,
                ..
            } => {
                assert_eq!(
                    (refusal.reason.as_str(), incomplete),
                    ("no_tag", true),
                    "{refusal:?}"
                );
                refused += 1;
            }
            KernelEvent::Forked { .. } | KernelEvent::Exited { .. } => {}
            KernelEvent::Lost(lost) => panic!("{lost} events are lost"),
        }
    }
    assert_eq!((roots, found, refused), (1, 1, 1));
}

#[test]
fn who_joins_a_job_that_has_a_root_is_none() {
    let Some(bench) = Bench::open() else { return };
    bench.member("connect-only 127.9.9.9:8080");
    bench.member("connect-only 127.9.9.9:8080");
    let incomplete = [(); 2].map(|()| bench.accept(true).2.unwrap().incomplete);
    assert_eq!(incomplete, [false, true]);
}
