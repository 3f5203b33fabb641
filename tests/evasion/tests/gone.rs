//! What is left of a job, or of its gate: neither lets anything out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_evasion::{CLOSED, Kind, Sink, cgroup_root, python, vector};
use sluice_harness::{Sluice, cannot_capture, skipped};

/// How long the kernel may let the proxy be dialled when nothing beats any more.
const WITHIN_MS: u64 = 1_000;

/// A job that goes on while its gate is gone.
struct Orphan {
    run: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
    pid: String,
    cgroup: PathBuf,
}

impl Orphan {
    fn start(sluice: &Sluice, sink: &Sink) -> Self {
        let policy = format!(
            "version: 1\nname: open\ndefault: deny\nrules:\n  - name: sink\n    what: {{ cidr: [{}], \
             port: {}, protocol: opaque }}\n    then: allow\n",
            sink.address(),
            sink.port()
        );
        let script = vector("after_the_gate");
        let (host, port) = (sink.address().to_string(), sink.port().to_string());
        let script = script.to_string_lossy();
        let line = [python(), "-B", &script, &host, &port, "word-after"];
        let mut run = sluice.run_command(&policy, &["--quiet"], &line).unwrap();
        let mut run = run
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(run.stdout.take().unwrap());
        let mut ready = String::new();
        lines.read_line(&mut ready).unwrap();
        let words: Vec<&str> = ready.split_whitespace().collect();
        assert_eq!((words[0], words[2]), ("ready", "out"), "{ready}");
        sink.must_see("word-before").unwrap();
        sink.so_far().unwrap();
        Self {
            cgroup: cgroup_of(words[1]),
            pid: words[1].to_owned(),
            stdin: run.stdin.take().unwrap(),
            run,
            lines,
        }
    }

    /// What it says after it tried for a while.
    fn tries(&mut self) {
        self.stdin.write_all(b"go\n").unwrap();
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{line}");
        let (last, refused): (u64, u64) = (words[1].parse().unwrap(), words[3].parse().unwrap());
        assert!(refused >= 20, "{line}");
        assert!(last <= WITHIN_MS, "{line}");
    }
}

fn cgroup_of(pid: &str) -> PathBuf {
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = cgroups
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap();
    assert!(path.contains("sluice"), "{cgroups}");
    Path::new(cgroup_root()).join(path)
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Threads stop when each of them gets to it.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten();
    let stat = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat"));
    threads
        .map(stat)
        .all(|stat| stat.unwrap_or_default().contains(") T "))
}

#[test]
fn a_killed_gate_lets_nothing_out() {
    if let Some(why) = cannot_capture() {
        return skipped("a_killed_gate_lets_nothing_out", why);
    }
    let (sluice, sink) = (Sluice::new().unwrap(), Sink::open(Kind::Tcp4, 0).unwrap());
    let mut job = Orphan::start(&sluice, &sink);
    signal(&job.run, Signal::SIGKILL);
    job.run.wait().unwrap();
    job.tries();
    sink.must_have_seen_nothing("word-after").unwrap();
    while Path::new("/proc").join(&job.pid).exists() && !is_dead(&job.pid) {
        std::thread::yield_now();
    }
    // The next run with the state takes what was left over, and takes it away at its end.
    let next = sluice.run(CLOSED, "true").unwrap();
    assert_eq!(next.status, 0, "{next:?}");
    assert!(!job.cgroup.exists(), "{} stays", job.cgroup.display());
    let sessions = sluice.sessions().unwrap();
    assert_eq!(sessions[0]["verdict"], "allow", "{sessions:?}");
}

#[test]
fn a_stopped_gate_lets_nothing_out_and_opens_again() {
    if let Some(why) = cannot_capture() {
        return skipped("a_stopped_gate_lets_nothing_out_and_opens_again", why);
    }
    let (sluice, sink) = (Sluice::new().unwrap(), Sink::open(Kind::Tcp4, 0).unwrap());
    let mut job = Orphan::start(&sluice, &sink);
    signal(&job.run, Signal::SIGSTOP);
    while !is_stopped(job.run.id()) {
        std::thread::yield_now();
    }
    job.tries();
    sink.must_have_seen_nothing("word-after").unwrap();
    signal(&job.run, Signal::SIGCONT);
    assert!(job.run.wait().unwrap().success());
    let refused = sluice.sessions().unwrap();
    let down = |session| {
        let events = sluice.events(session).unwrap();
        events
            .iter()
            .any(|e| e["kernel"]["reason"] == "daemon_down")
    };
    assert!(refused.iter().any(down), "{refused:?}");
    let next = sluice.run(CLOSED, "true").unwrap();
    assert_eq!(next.status, 0, "{next:?}");
}

#[test]
fn a_gate_whose_pins_are_unlinked_stays_shut() {
    if let Some(why) = cannot_capture() {
        return skipped("a_gate_whose_pins_are_unlinked_stays_shut", why);
    }
    let (sluice, sink) = (Sluice::new().unwrap(), Sink::open(Kind::Tcp4, 0).unwrap());
    let (vector, pins) = (vector("tcp4"), sluice.state().join("bpf"));
    let (vector, pins) = (vector.display(), pins.display());
    let (host, port) = (sink.address(), sink.port());
    let tries = |word| format!("{} -B {vector} {host} {port} {word}", python());
    let open = Command::new("sh").args(["-c", &tries("word-off")]).output();
    assert_eq!(String::from_utf8_lossy(&open.unwrap().stdout), "out\n");
    sink.must_see("word-off").unwrap();
    sink.so_far().unwrap();

    let script = format!(
        "F=\"find {pins} -type f ! -name *.debug\"; $F | wc -l; $F -delete; $F | wc -l; {}",
        tries("word-on")
    );
    let job = sluice.run(CLOSED, &script).unwrap();
    let lines: Vec<&str> = job.stdout.split_whitespace().collect();
    assert!(lines[0].parse::<u32>().unwrap() > 14, "{job:?}");
    assert_eq!(lines[1..], ["0", "ECONNRESET"], "{job:?}");
    sink.must_have_seen_nothing("word-on").unwrap();
    assert_eq!(sluice.run(CLOSED, "true").unwrap().status, 0);
}

fn is_dead(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// A job that ends at once; its detached grandchild must not get out, then or later.
fn left_behind(more: &[&str]) {
    if let Some(why) = cannot_capture() {
        return skipped("left_behind", why);
    }
    let (sluice, sink) = (Sluice::new().unwrap(), Sink::open(Kind::Tcp4, 0).unwrap());
    let pid_file = sluice.scratch().path().join("pid");
    let (host, port) = (sink.address().to_string(), sink.port().to_string());
    let (script, file) = (vector("left_behind"), pid_file.to_string_lossy());
    let script = script.to_string_lossy();
    let mut line = vec![python(), "-B", &script, &host, &port, "word", &file];
    line.extend(more);
    assert!(
        Command::new(line[0])
            .args(&line[1..])
            .status()
            .unwrap()
            .success()
    );
    sink.must_see("word").unwrap();
    sink.so_far().unwrap();
    std::fs::remove_file(&pid_file).unwrap();

    let job = sluice.run_with(CLOSED, &[], &line).unwrap();
    assert_eq!(job.status, 0, "{job:?}");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let alive = !is_dead(&pid);
    if alive {
        kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    }
    assert!(!alive, "what the job left behind outlives it");
    sink.must_have_seen_nothing("word").unwrap();
    let sessions = sluice.sessions().unwrap();
    assert!(!sessions.is_empty());
    for session in sessions {
        assert_eq!(
            (&session["verdict"], &session["job"]["name"]),
            (&"deny".into(), &"run".into()),
            "{session}"
        );
    }
}

#[test]
fn what_a_job_leaves_behind_gets_nowhere() {
    left_behind(&[]);
}

#[test]
fn what_a_job_leaves_behind_in_another_cgroup_gets_nowhere() {
    left_behind(&[cgroup_root()]);
}
