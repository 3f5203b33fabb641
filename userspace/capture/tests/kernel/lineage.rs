//! Who did it: forks, images, arguments, working directories, ends.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use sluice_capture::{Capture, ImageDigests, JobCgroup, Root, cgroup};
use sluice_flow::ArgvState;
use sluice_flow::kernel::{JobTag, KernelEvent, Started};
use sluice_flow::ports::Digests as _;
use sluice_flow::session::hex;

use crate::harness::{Bench, PATIENCE, options, possible, unique};

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

/// A program and a script of it, of their own, whose last change is over.
fn program_and_script(directory: &Path) -> (PathBuf, PathBuf) {
    let (program, script) = (directory.join("shell"), directory.join("script"));
    std::fs::copy("/bin/sh", &program).unwrap();
    let line = format!("#!{}\nread line\n", program.display());
    std::fs::write(&script, line).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    (program, script)
}

#[test]
fn the_file_of_an_image_is_told_and_can_be_hashed() {
    let Some(bench) = Bench::open() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (program, script) = program_and_script(directory.path());
    let (program_text, script_text) = (program.display(), script.display());
    let lines = format!("{program_text} -c 'read line'; {script_text}; :");
    let mut child = shell(bench.cgroup.path(), Path::new("/"), &lines);
    let mut events = Vec::new();
    let status = std::fs::metadata(&program).unwrap();
    for (count, exe) in [(2, &program), (3, &script)] {
        while images(&events).len() < count {
            events.extend(bench.capture.drain());
        }
        let started = images(&events)[count - 1].clone();
        assert_eq!(Path::new(&started.exe), exe);
        // Of a script the interpreter's.
        let image = started.image.unwrap();
        let device = (libc::major(status.dev()), libc::minor(status.dev()));
        assert_eq!((image.device, image.inode), (device, status.ino()));
        let nanos = u32::try_from(status.ctime_nsec()).unwrap();
        assert_eq!(image.changed, (status.ctime(), nanos));
        assert_eq!(image.executed, started.at);
        assert!(!image.of_user_namespace && image.granularity > 0);
        let kind = nix::sys::statfs::statfs(&program).unwrap();
        let kind = kind.filesystem_type().0;
        assert_eq!(i64::from(image.file_system), kind);
        let until = Instant::now() + PATIENCE;
        let process = started.actor.process;
        let digest = ImageDigests::default().digest(process, &image, until);
        match digest {
            Ok(digest) => {
                let want = Sha256::digest(std::fs::read(&program).unwrap());
                assert_eq!(digest, hex(&want));
            }
            Err(why) => println!("skipped: digest: on this file system {why}"),
        }
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    child.wait().unwrap();
}

#[test]
fn a_file_system_of_a_user_namespace_says_so() {
    let Some(bench) = Bench::open() else { return };
    let script =
        "unshare -Urm sh -c 'mount -t tmpfs none /mnt && cp /bin/true /mnt/x && /mnt/x; :'; :";
    let (_, events) = run(&bench, Path::new("/"), script);
    let told = images(&events);
    let Some(inside) = told.iter().find(|image| image.exe == ".../mnt/x") else {
        println!("skipped: user-namespace: no mount in one here");
        return;
    };
    assert!(inside.image.unwrap().of_user_namespace);
    assert!(!told[0].image.unwrap().of_user_namespace);
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
