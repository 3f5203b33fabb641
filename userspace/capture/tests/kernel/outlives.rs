//! What stays when the daemon goes, and what does not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use sluice_capture::{Capture, CaptureError, JobCgroup, Options, Root};
use sluice_flow::kernel::JobTag;

use crate::harness::{Bench, LONG, RESULT, command, options, possible, results, spawn_in, unique};
use crate::member::say;

/// A daemon: holds a capture for a cgroup until it is killed.
pub(crate) fn hold(state: &str, group: &str) {
    let capture = Capture::start(&options(Path::new(state), true)).unwrap();
    capture
        .add_runner(Path::new(group), JobTag(5), Root::First)
        .unwrap();
    let links: Vec<_> = capture
        .hooks()
        .iter()
        .map(|hook| hook.link.to_string())
        .collect();
    say(links.join(" "));
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_killed_daemon_means_refused_and_the_next_one_takes_over() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let mut daemon = command(&format!(
        "hold {} {}",
        state.path().display(),
        group.path().display()
    ));
    let mut daemon = daemon.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    let ready = lines
        .map(Result::unwrap)
        .find_map(|l| l.split_once(RESULT).map(|l| l.1.to_owned()));
    let before: Vec<u32> = ready
        .unwrap()
        .split(' ')
        .map(|id| id.parse().unwrap())
        .collect();
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    assert_eq!(
        results(spawn_in(group.path(), "connect 127.9.9.9:8080")),
        ["EPERM"]
    );
    assert_eq!(
        results(spawn_in(group.path(), "udp-send 127.0.0.53:53")),
        ["EPERM"]
    );

    let capture = Capture::start(&options(state.path(), false)).unwrap();
    assert_eq!(capture.runners().unwrap(), [(group.id(), JobTag(5))]);
    for (hook, before) in capture.hooks().iter().zip(before) {
        let tracepoint = ["fork", "exec", "exit", "send"].contains(&hook.name) && hook.known;
        assert_eq!(hook.attached, hook.known, "{}", hook.name);
        assert_eq!(
            hook.link == before,
            !tracepoint,
            "{} is the same link",
            hook.name
        );
    }
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_v4 = proxy.local_addr().unwrap().port();
    capture
        .listen(sluice_capture::Listeners {
            proxy_v4,
            ..Default::default()
        })
        .unwrap();
    capture.heartbeat(LONG).unwrap();
    assert_eq!(
        results(spawn_in(group.path(), "connect-only 127.9.9.9:8080")),
        ["ok"]
    );
    let refused: Vec<_> = capture
        .drain()
        .into_iter()
        .filter(|event| matches!(event, sluice_flow::kernel::KernelEvent::Refused { .. }))
        .collect();
    assert_eq!(refused.len(), 2, "what was refused in between is told");
}

#[test]
fn members_that_nobody_saw_start_are_found() {
    let Some(bench) = Bench::open() else { return };
    let mut member = std::process::Command::new("sh");
    let enter = format!("echo 0 > {}/cgroup.procs", bench.cgroup.path().display());
    let mut member = member
        .args(["-c", &format!("{enter}; exec cat")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Once it answers it is `cat`.
    let mut line = String::new();
    member.stdin.as_mut().unwrap().write_all(b"up\n").unwrap();
    let mut answers = BufReader::new(member.stdout.take().unwrap());
    answers.read_line(&mut line).unwrap();

    let members = bench.capture.all_members().unwrap();
    let actor = members.iter().find(|a| a.process.tgid == member.id());
    let actor = *actor.expect("it carries a tag");
    assert_eq!((actor.job, actor.ordinal), (bench.job, 1));
    let found = bench.capture.found(&actor, 7).unwrap();
    assert_eq!(
        (found.argv.as_slice(), found.found, found.root, found.cgroup),
        (&["cat".to_owned()][..], true, false, bench.cgroup.id())
    );
    assert!(sluice_capture::lives(actor.process));
    let later = sluice_flow::kernel::Actor {
        ordinal: 2,
        ..actor
    };
    assert_eq!(bench.capture.found(&later, 7), None, "another image");
    drop(member.stdin.take());
    member.wait().unwrap();
    assert_eq!(bench.capture.found(&actor, 7), None, "it is gone");
    assert!(!sluice_capture::lives(actor.process));
}

#[test]
fn a_second_instance_is_told_that_the_state_directory_is_in_use() {
    let Some(bench) = Bench::open() else { return };
    let error = Capture::start(&options(bench.state.path(), false))
        .err()
        .unwrap();
    assert!(matches!(error, CaptureError::InUse(_)), "{error}");
}

#[test]
fn a_first_start_that_fails_leaves_nothing() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    // No kernel makes a table of no entries.
    let options = Options {
        members_max: 0,
        ..options(state.path(), true)
    };
    assert!(Capture::start(&options).is_err());
    assert_eq!(left_in(state.path()), ["capture.lock"]);
}

/// What is in a state directory, of which nothing is mounted.
fn left_in(state: &Path) -> Vec<std::ffi::OsString> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*state.to_string_lossy()));
    let entries = std::fs::read_dir(state).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn every_hook_is_there_and_nothing_is_left_behind() {
    let Some(bench) = Bench::open() else { return };
    let hooks = bench.capture.hooks();
    assert_eq!(hooks.len(), 15);
    for hook in hooks {
        // The one that Linux has only since 6.3.
        assert!(hook.known || hook.name == "send", "{hook:?}");
        let there = [hook.attached, hook.program != 0, hook.link != 0];
        assert_eq!(there, [hook.known; 3], "{hook:?}");
    }
    let Bench {
        capture,
        cgroup,
        state,
        ..
    } = bench;
    let group = cgroup.path().to_owned();
    drop(capture);
    drop(cgroup);
    assert!(!group.exists());
    assert_eq!(left_in(state.path()), ["capture.lock"]);
}

#[test]
fn leftovers_of_a_killed_instance_can_be_removed() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let capture = Capture::start(&options(state.path(), true)).unwrap();
    capture
        .add_runner(group.path(), JobTag(5), Root::First)
        .unwrap();
    drop(capture);
    assert_eq!(
        results(spawn_in(group.path(), "connect 127.9.9.9:8080")),
        ["EPERM"]
    );
    let from_outside = crate::handed_in::written_on(group.path());
    Capture::remove_leftovers(state.path(), || Ok::<_, CaptureError>(())).unwrap();
    crate::handed_in::nothing_comes(&from_outside);
    let server = std::net::TcpListener::bind("127.9.9.9:0").unwrap();
    let target = server.local_addr().unwrap();
    // The links go when the kernel gets to them.
    while results(spawn_in(group.path(), &format!("connect-only {target}"))) != ["ok"] {
        std::thread::yield_now();
    }
    Capture::remove_leftovers(state.path(), || Ok::<_, CaptureError>(())).unwrap();
}

#[test]
fn an_open_configuration_lets_pass_while_down_and_turns_while_up() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let open = sluice_capture::Options {
        open_when_down: true,
        ..options(state.path(), false)
    };
    let capture = Capture::start(&open).unwrap();
    capture
        .add_runner(group.path(), JobTag(5), Root::First)
        .unwrap();
    let server = std::net::TcpListener::bind("127.9.9.9:0").unwrap();
    let target = server.local_addr().unwrap();
    assert_eq!(
        results(spawn_in(group.path(), &format!("connect-only {target}"))),
        ["ok"]
    );
    drop(server.accept().unwrap());
    capture.heartbeat(LONG).unwrap();
    assert_eq!(
        results(spawn_in(group.path(), &format!("connect-only {target}"))),
        ["EPERM"]
    );
}
