//! Real clients and real servers, direct and through the gate: see `tests/`.
//!
//! Each test starts its servers on [`REMOTE`], runs the same shell script once as it is and once
//! as a job, and compares what its clients saw: standard output, standard error, exit status.

pub mod agent;
pub mod database;
pub mod scene;
pub mod web;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use sluice_harness::{Daemonised, Job, REMOTE, Sluice, binary, free_port, wait_for_port};

/// Jobs that were started under daemons.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A host of its own: names that lead to [`REMOTE`], with and without the gate.
pub struct World {
    /// sluice, with the names in its resolver.
    pub sluice: Sluice,
    hosts: PathBuf,
    name: String,
}

impl World {
    /// One in which `names` lead to [`REMOTE`]; `None`, and a word of it, where the kernel side
    /// cannot be tried.
    ///
    /// # Errors
    /// When its files cannot be made.
    pub fn or_skip(test: &str, names: &[&str]) -> anyhow::Result<Option<Self>> {
        Self::with_config_or_skip(test, names, "")
    }

    /// The same, with more in `sluice.toml`: what stands before its tables.
    ///
    /// # Errors
    /// When its files cannot be made.
    pub fn with_config_or_skip(
        test: &str,
        names: &[&str],
        more: &str,
    ) -> anyhow::Result<Option<Self>> {
        BEFORE.get_or_init(all_job_cgroups);
        if let Some(reason) = sluice_harness::cannot_capture() {
            sluice_harness::skipped(test, reason);
            return Ok(None);
        }
        let entries: String = names
            .iter()
            .map(|name| format!("\"{name}\" = [\"{REMOTE}\"]\n"))
            .collect();
        let sluice = Sluice::with_config(&format!("{more}\n[resolver.hosts]\n{entries}"))?;
        let lines = format!("127.0.0.1 localhost\n{REMOTE} {}\n", names.join(" "));
        let hosts = sluice.scratch().write("hosts", &lines)?;
        Ok(Some(Self {
            sluice,
            hosts,
            name: test.to_owned(),
        }))
    }

    /// Runs a shell script without the gate; its names lead where they lead for jobs.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn direct(&self, script: &str) -> anyhow::Result<Job> {
        let enter = "mount --bind \"$1\" /etc/hosts && exec sh -c \"$2\"";
        let output = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", enter, "sh"])
            .arg(&self.hosts)
            .arg(script)
            .stdin(Stdio::null())
            .output()
            .context("cannot run unshare")?;
        Ok(Job::of(&output))
    }

    /// Runs a shell script as a job under `policy`; standard error is the job's alone.
    ///
    /// # Errors
    /// When sluice cannot be executed.
    pub fn gated(&self, policy: &str, script: &str) -> anyhow::Result<Job> {
        self.sluice
            .run_with(policy, &["--quiet"], &["sh", "-c", script])
    }

    /// Runs a shell script both ways, and gives what both saw.
    ///
    /// # Errors
    /// When they saw different things.
    pub fn same(&self, policy: &str, script: &str) -> anyhow::Result<Job> {
        let direct = self.direct(script)?;
        let gated = self.gated(policy, script)?;
        let of = |job: &Job| (job.status, job.stdout.clone(), job.stderr.clone());
        if of(&direct) != of(&gated) {
            bail!(
                "{}: the clients saw different things\n--- direct\n{}\n--- through the gate\n{}",
                self.name,
                shown(&direct),
                shown(&gated)
            );
        }
        Ok(direct)
    }

    /// Starts `sluice daemon` with this configuration, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up: with what it logged.
    pub fn daemon(&self) -> anyhow::Result<Daemonised> {
        let config = self.sluice.config().context("no configuration")?;
        let log = self.sluice.scratch().path().join("daemon.log");
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)?;
        let mut command = self.sluice.command(&["daemon", "--config"])?;
        command
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let mut daemon = Daemonised::spawn(&mut command, Signal::SIGTERM)?;
        let up = wait_until(Duration::from_secs(20), || {
            daemon.has_ended() || self.sluice.ask(&["status"]).is_ok()
        });
        if !up || daemon.has_ended() {
            bail!(
                "the daemon does not come up: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        }
        Ok(daemon)
    }

    /// Starts `sluice run` for a shell script through the daemon that serves this state.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn start_under_daemon(&self, policy: &str, script: &str) -> anyhow::Result<Child> {
        let run = self.run_under_daemon(policy, &[], script)?.spawn();
        run.context("cannot run sluice")
    }

    /// The command of it, with further options of `sluice run`.
    ///
    /// # Errors
    /// When the policy cannot be written.
    pub fn run_under_daemon(
        &self,
        policy: &str,
        options: &[&str],
        script: &str,
    ) -> anyhow::Result<Command> {
        // Jobs that start at the same time have a file each.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = format!("policy-{number}.yaml");
        let file = self.sluice.scratch().write(&file, policy)?;
        let mut run = self.sluice.command(&["run", "--quiet", "--policy"])?;
        run.arg(file)
            .args(options)
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(run)
    }

    /// Runs a shell script as a job through the daemon.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn under_daemon(&self, policy: &str, script: &str) -> anyhow::Result<Job> {
        let child = self.start_under_daemon(policy, script)?;
        Ok(Job::of(&child.wait_with_output()?))
    }

    /// `sluice ARGUMENTS` as another user.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn as_user(&self, user: &str, arguments: &[&str]) -> anyhow::Result<Job> {
        let output = Command::new("setpriv")
            .arg(format!("--reuid={user}"))
            .arg("--regid=nogroup")
            .args(["--clear-groups", "--"])
            .arg(binary()?)
            .arg("--state")
            .arg(self.sluice.state())
            .args(arguments)
            .output()
            .context("cannot run setpriv")?;
        Ok(Job::of(&output))
    }

    /// All events of all sessions of a protocol.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn events_of(&self, protocol: &str) -> anyhow::Result<Vec<Value>> {
        let mut events = Vec::new();
        for session in self.sluice.sessions_of(protocol)? {
            events.extend(self.sluice.events(&session)?);
        }
        Ok(events)
    }
}

/// Both streams and the status, for the message of a test that fails.
#[must_use]
pub fn shown(job: &Job) -> String {
    format!(
        "status {}\n{}\n(stderr)\n{}",
        job.status, job.stdout, job.stderr
    )
}

/// The Python that has the clients: `$SLUICE_PYTHON`, or the one of `cargo xtask setup`.
#[must_use]
pub fn python() -> PathBuf {
    if let Some(named) = std::env::var_os("SLUICE_PYTHON") {
        return PathBuf::from(named);
    }
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    Path::new(&own).join("../../.tools/venv/bin/python")
}

/// A server that is a Python script.
pub struct Script {
    /// Its port on [`REMOTE`].
    pub port: u16,
    /// Its process.
    pub process: Daemonised,
}

impl Script {
    /// Starts `python`, which has `HOST` and `PORT` to listen on, and waits until it does.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn serve(sluice: &Sluice, name: &str, script: &str) -> anyhow::Result<Self> {
        let port = free_port(REMOTE)?;
        let text = format!("HOST, PORT = {:?}, {port}\n{script}", REMOTE.to_string());
        let file = sluice.scratch().write(&format!("{name}.py"), &text)?;
        let log = std::fs::File::create(sluice.scratch().path().join(format!("{name}.log")))?;
        let mut command = Command::new(python());
        command
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = Daemonised::spawn(&mut command, Signal::SIGTERM)?;
        wait_for_port(REMOTE, port)?;
        Ok(Self { port, process })
    }
}

/// Reads until the text ends with `line`, and not a byte further.
///
/// # Errors
/// When it ends before.
pub fn read_until(from: &mut impl Read, line: &str) -> anyhow::Result<()> {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while from.read(&mut byte)? == 1 {
        seen.extend(byte);
        if seen.ends_with(line.as_bytes()) {
            return Ok(());
        }
    }
    bail!(
        "it ended before {line:?}: {}",
        String::from_utf8_lossy(&seen)
    )
}

/// Waits until something is so; false when it is not after `at_most`.
pub fn wait_until(at_most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > at_most {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A member of a JSON object by its path, `a.b`; null where there is none.
#[must_use]
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.')
        .fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// A text member of a JSON object by its path; empty where there is none.
#[must_use]
pub fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_default()
}

/// Whether a process has ended, within ten seconds; one that nobody has waited for yet has.
#[must_use]
pub fn has_ended(pid: &str) -> bool {
    let stat = Path::new("/proc").join(pid).join("stat");
    wait_until(Duration::from_secs(10), || {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        let state = text
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        matches!(state, None | Some('Z'))
    })
}

/// What another program left behind before these tests: no concern of theirs.
static BEFORE: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();

/// cgroups of jobs that these tests made, and that stay without a process in them.
#[must_use]
pub fn job_cgroups() -> Vec<String> {
    let before = BEFORE.get_or_init(Vec::new);
    let left = || {
        let mut now = all_job_cgroups();
        now.retain(|name| !before.contains(name));
        now
    };
    // Those of others that run at the same time come and go.
    wait_until(Duration::from_secs(5), || left().is_empty());
    left()
}

/// The root of cgroup v2 on this host.
#[must_use]
pub fn cgroup_root() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut lines = mounts.lines();
    let root = lines
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4));
    PathBuf::from(root.unwrap_or("/sys/fs/cgroup"))
}

fn all_job_cgroups() -> Vec<String> {
    let root = cgroup_root();
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let is_empty = |path: PathBuf| {
        let events = std::fs::read_to_string(path.join("cgroup.events"));
        events.is_ok_and(|events| events.contains("populated 0"))
    };
    entries
        .filter(|entry| is_empty(entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("sluice."))
        .collect()
}
