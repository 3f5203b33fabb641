//! A process that runs the load where it stands: outside, or as the job.
//!
//! One job lives through all rounds of a scenario, so that starting it is in no measurement and
//! the rounds of all paths can take turns. It reads commands as JSON lines on standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_harness::{Scratch, Sluice};

/// Seconds that one measurement may take; then it is killed.
const LIMIT: &str = "180";
/// How long a job may take to end, its summary with it.
const PARTING: Duration = Duration::from_secs(60);

/// The outer end.
pub(crate) struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: PathBuf,
    /// Where the job's policy, state and log are.
    _home: Home,
}

enum Home {
    Outside { _scratch: Scratch },
    Job { _sluice: Box<Sluice> },
}

impl Agent {
    /// One that runs the load directly.
    pub(crate) fn outside() -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("agent");
        let log = scratch.path().join("log");
        Self::start(command, log, Home::Outside { _scratch: scratch })
    }

    /// One that runs the load as a job under `policy`.
    pub(crate) fn job(policy: &str) -> anyhow::Result<Self> {
        let sluice = Box::new(Sluice::new()?);
        let own = std::env::current_exe()?;
        let own = own.to_str().context("the own path is no text")?;
        let command = sluice.run_command(policy, &[], &[own, "agent"])?;
        let log = sluice.scratch().path().join("log");
        Self::start(command, log, Home::Job { _sluice: sluice })
    }

    fn start(mut command: Command, log: PathBuf, home: Home) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut agent = Self {
            child,
            input,
            output,
            log,
            _home: home,
        };
        agent.exchange(&json!({ "run": ["true"] }))?;
        Ok(agent)
    }

    /// The process that was started: with a job, the one that is the daemon.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Runs a command to its end, and gives what it printed.
    pub(crate) fn run(&mut self, command: &[String]) -> anyhow::Result<String> {
        self.exchange(&json!({ "run": command }))
    }

    /// Starts a command, and gives its first line; it lives until [`Self::release`].
    pub(crate) fn hold(&mut self, command: &[String]) -> anyhow::Result<String> {
        self.exchange(&json!({ "hold": command }))
    }

    /// Ends what is held.
    pub(crate) fn release(&mut self) -> anyhow::Result<()> {
        self.exchange(&json!({ "release": [] })).map(drop)
    }

    fn exchange(&mut self, request: &Value) -> anyhow::Result<String> {
        let input = self.input.as_mut().context("the agent has ended")?;
        let sent = writeln!(input, "{request}").and_then(|()| input.flush());
        let mut line = String::new();
        let got = sent.and_then(|()| self.output.read_line(&mut line));
        if got.unwrap_or(0) == 0 {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            bail!("it ended: {}", said.trim_end());
        }
        let answer: Value = serde_json::from_str(&line).context("no answer of the agent")?;
        let text = |key| answer.get(key).and_then(Value::as_str);
        match (text("out"), text("error")) {
            (Some(out), None) => Ok(out.to_owned()),
            (_, error) => bail!("{}", error.unwrap_or("no answer").trim_end()),
        }
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.input = None;
        if self.ends_within(PARTING) {
            return;
        }
        // SIGTERM goes to the job; the daemon then takes down what it put into the kernel.
        let _ = kill(self.pid(), Signal::SIGTERM);
        if self.ends_within(PARTING) {
            return;
        }
        let _ = kill(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
        eprintln!("a job did not end and was killed; to clean up: sluice daemon --unload");
    }
}

/// `sluice-bench agent`: the inner end.
pub(crate) fn serve() -> anyhow::Result<()> {
    let mut held: Option<Child> = None;
    for line in std::io::stdin().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let answer = match obey(&request, &mut held) {
            Ok(out) => json!({ "out": out }),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        println!("{answer}");
    }
    Ok(())
}

fn obey(request: &Value, held: &mut Option<Child>) -> anyhow::Result<String> {
    if let Some(words) = request.get("run") {
        return run(limited(words)?);
    }
    if let Some(words) = request.get("hold") {
        let mut child = limited(words)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.as_mut().context("no pipe")?;
        BufReader::new(out).read_line(&mut line)?;
        *held = Some(child);
        if line.is_empty() {
            end(held)?;
            bail!("the command that was to be held has ended");
        }
        return Ok(line);
    }
    end(held)?;
    Ok(String::new())
}

fn end(held: &mut Option<Child>) -> anyhow::Result<()> {
    if let Some(mut child) = held.take() {
        drop(child.stdin.take());
        child.wait()?;
    }
    Ok(())
}

fn limited(words: &Value) -> anyhow::Result<Command> {
    let words = words.as_array().context("a command is a list")?;
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5", LIMIT]);
    command.args(words.iter().filter_map(Value::as_str));
    Ok(command)
}

fn run(mut command: Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(out);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    bail!("{}: {}", output.status, error.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_run_and_its_failure_told() {
        let mut held = None;
        let out = obey(&json!({ "run": ["echo", "hello"] }), &mut held).unwrap();
        assert_eq!(out, "hello\n");
        let error = obey(
            &json!({ "run": ["sh", "-c", "echo why >&2; exit 3"] }),
            &mut held,
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains('3') && error.contains("why"), "{error}");
        assert!(obey(&json!({ "run": "x" }), &mut held).is_err());
    }

    #[test]
    fn a_command_is_held_until_it_is_released() {
        let mut held = None;
        let first = obey(
            &json!({ "hold": ["sh", "-c", "echo open; cat"] }),
            &mut held,
        )
        .unwrap();
        assert_eq!(first, "open\n");
        assert!(held.as_mut().unwrap().try_wait().unwrap().is_none());
        obey(&json!({ "release": [] }), &mut held).unwrap();
        assert!(held.is_none());
        obey(&json!({ "release": [] }), &mut held).unwrap();
    }

    #[test]
    fn a_held_command_that_ends_at_once_is_an_error() {
        let mut held = None;
        assert!(obey(&json!({ "hold": ["false"] }), &mut held).is_err());
        assert!(held.is_none());
    }
}
