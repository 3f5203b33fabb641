//! Who did it: forks, images, arguments, working directories, ends.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sluice_capture::{Capture, JobCgroup, Root, cgroup};
use sluice_flow::ArgvState;
use sluice_flow::kernel::{JobTag, KernelEvent, Started};

use crate::harness::{Bench, options, possible, unique};

fn shell(path: &Path, cwd: &Path, script: &str) -> Child {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .current_dir(cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let path = path.to_owned();
    // SAFETY: as in the harness.
    unsafe {
        command.pre_exec(move || cgroup::join(&path).map_err(std::io::Error::other));
    }
    command.spawn().unwrap()
}

fn run(bench: &Bench, cwd: &Path, script: &str) -> (u32, Vec<KernelEvent>) {
    let mut child = shell(bench.cgroup.path(), cwd, script);
    let pid = child.id();
    child.wait().unwrap();
    (pid, bench.capture.drain())
}

fn images(events: &[KernelEvent]) -> Vec<&Started> {
    let started = events.iter().filter_map(|event| match event {
        KernelEvent::Started(started) => Some(started.as_ref()),
        _ => None,
    });
    started.collect()
}

#[test]
fn a_shell_and_what_it_runs_are_told_in_order() {
    let Some(bench) = Bench::open() else { return };
    let script = "/bin/true one 'two words' ''; exec /bin/echo last";
    let (pid, events) = run(&bench, Path::new("/tmp"), script);
    let images = images(&events);
    assert_eq!(images.len(), 3, "{events:?}");
    assert_eq!(images[0].exe, "/bin/sh");
    assert_eq!(images[0].argv, ["/bin/sh", "-c", script]);
    assert_eq!(
        (images[0].actor.process.tgid, images[0].actor.ordinal),
        (pid, 1)
    );
    assert!(images[0].root && !images[0].found);
    assert_eq!(images[1].exe, "/bin/true");
    assert_eq!(images[1].argv, ["/bin/true", "one", "two words", ""]);
    assert!(!images[1].root);
    assert_eq!(images[2].argv, ["/bin/echo", "last"]);
    assert_eq!(
        (images[2].actor.process.tgid, images[2].actor.ordinal),
        (pid, 2)
    );
    for image in images {
        assert_eq!(
            (image.cwd.as_str(), image.uid, image.actor.job),
            ("/tmp", 0, bench.job)
        );
        assert_eq!(image.cgroup, bench.cgroup.id());
    }
    let forks: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            KernelEvent::Forked { parent, child, .. } => Some((parent.process.tgid, child.tgid)),
            _ => None,
        })
        .collect();
    assert_eq!(forks.len(), 1);
    assert_eq!(forks[0].0, pid);
    let exits = events
        .iter()
        .filter(|event| matches!(event, KernelEvent::Exited { .. }));
    assert_eq!(exits.count(), 2);
}

#[test]
fn five_hundred_quick_images_have_their_arguments_and_directory() {
    let Some(bench) = Bench::open() else { return };
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path().canonicalize().unwrap().join("a b/c/d");
    std::fs::create_dir_all(&cwd).unwrap();
    let script = "i=0; while [ $i -lt 500 ]; do /bin/true $i 'x y'; i=$((i+1)); done";
    let (_, events) = run(&bench, &cwd, script);
    let images = images(&events);
    assert_eq!(images.len(), 501);
    for (number, image) in images.iter().skip(1).enumerate() {
        assert_eq!(image.argv, ["/bin/true", &number.to_string(), "x y"]);
        assert_eq!(Path::new(&image.cwd), cwd);
        assert_eq!(image.argv_state, ArgvState::Whole);
    }
    assert_eq!(bench.stat("lost_events"), 0);
}

#[test]
fn a_relative_path_is_made_absolute() {
    let Some(bench) = Bench::open() else { return };
    let directory = tempfile::tempdir().unwrap();
    let cwd = directory.path().canonicalize().unwrap();
    std::fs::copy("/bin/true", cwd.join("mine")).unwrap();
    let (_, events) = run(&bench, &cwd, "./mine; :");
    assert_eq!(Path::new(&images(&events)[1].exe), cwd.join("mine"));
}

#[test]
fn an_argument_vector_at_the_limit_is_whole_and_one_over_it_says_so() {
    let Some(bench) = Bench::open() else { return };
    // "/bin/true" with its NUL is 10 bytes, the argument needs one too.
    let fits = sluice_abi::ARGV_MAX - 11;
    for (length, state) in [(fits, ArgvState::Whole), (fits + 1, ArgvState::Truncated)] {
        let script = format!("/bin/true {}; :", "x".repeat(length));
        let (_, events) = run(&bench, Path::new("/"), &script);
        let images = images(&events);
        assert_eq!(images[1].argv_state, state, "{length}");
        assert_eq!(images[1].argv[1].len(), length);
        assert_eq!(images[1].cwd, "/");
    }
}

#[test]
fn the_wide_shape_of_a_pipeline_is_told() {
    let Some(bench) = Bench::open() else { return };
    let (_, events) = run(&bench, Path::new("/"), "/bin/echo a | (cat | cat) | cat; :");
    let forked: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            KernelEvent::Forked { child, .. } => Some(*child),
            _ => None,
        })
        .collect();
    for image in images(&events).iter().skip(1) {
        assert!(
            forked.contains(&image.actor.process),
            "{image:?} was forked"
        );
    }
    assert_eq!(images(&events).len(), 5);
}

#[test]
fn what_ran_before_is_found_and_says_so() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let capture = Capture::start(&options(state.path(), false)).unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let mut child = shell(group.path(), Path::new("/"), "read line; /bin/true late; :");
    while group.is_empty() {
        std::thread::yield_now();
    }
    capture
        .add_runner(group.path(), JobTag(77), Root::Joining)
        .unwrap();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let events = capture.drain();
    let images = images(&events);
    assert_eq!(images.len(), 2, "{events:?}");
    assert!(images[0].found && !images[0].root);
    assert_eq!(
        (images[0].actor.process.tgid, images[0].actor.ordinal),
        (pid, 0)
    );
    assert_eq!(images[1].argv, ["/bin/true", "late"]);
    assert_eq!(
        capture
            .stats()
            .iter()
            .find(|(name, _)| *name == "adopted")
            .unwrap()
            .1,
        1
    );
}

#[test]
fn who_comes_into_a_runner_is_a_root() {
    if !possible() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let capture = Capture::start(&options(state.path(), false)).unwrap();
    let group = JobCgroup::create(&unique()).unwrap();
    let slice = group.path().join("agent.service");
    std::fs::create_dir(&slice).unwrap();
    capture
        .add_runner(group.path(), JobTag(78), Root::Joining)
        .unwrap();
    for _ in 0..2 {
        let mut agent = shell(&slice, Path::new("/"), "/bin/true a job; :");
        agent.wait().unwrap();
        let events = capture.drain();
        let images = images(&events);
        assert_eq!(images.len(), 2, "{events:?}");
        assert!(images[0].root && !images[0].found, "{images:?}");
        assert!(!images[1].root && !images[1].found, "{images:?}");
    }
}

#[test]
fn a_nested_cgroup_belongs_to_its_runner() {
    let Some(bench) = Bench::open() else { return };
    let nested = bench.cgroup.path().join("a/b/c");
    std::fs::create_dir_all(&nested).unwrap();
    shell(&nested, Path::new("/"), ":").wait().unwrap();
    let events = bench.capture.drain();
    assert_eq!(images(&events)[0].actor.job, bench.job);
}
