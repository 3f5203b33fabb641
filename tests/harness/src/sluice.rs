use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::scratch::Scratch;

/// The sluice binary: `$SLUICE_BIN`, or the one of this build.
///
/// # Errors
/// When it was not built.
pub fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("SLUICE_BIN") {
        return Ok(PathBuf::from(named));
    }
    let own = std::env::current_exe().context("cannot find the own program")?;
    let found = own
        .ancestors()
        .skip(1)
        .take(3)
        .map(|dir| dir.join("sluice"))
        .find(|p| p.is_file());
    found.context("the sluice binary is not built: cargo xtask build")
}

/// sluice with a state directory of its own.
pub struct Sluice {
    scratch: Scratch,
    config: Option<PathBuf>,
}

/// A job that ended.
#[derive(Debug, Clone)]
pub struct Job {
    /// The status that `sluice run` exited with.
    pub status: i32,
    /// What the job and sluice wrote to standard output.
    pub stdout: String,
    /// What they wrote to standard error.
    pub stderr: String,
}

impl Sluice {
    /// A fresh state directory.
    ///
    /// # Errors
    /// When the file system does not let us.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            scratch: Scratch::new()?,
            config: None,
        })
    }

    /// The same with a `sluice.toml`.
    ///
    /// # Errors
    /// When the file system does not let us.
    pub fn with_config(text: &str) -> anyhow::Result<Self> {
        let mut sluice = Self::new()?;
        sluice.config = Some(sluice.scratch.write("sluice.toml", text)?);
        Ok(sluice)
    }

    /// Where its files are.
    #[must_use]
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.scratch.path().join("state")
    }

    /// The configuration, where there is one.
    #[must_use]
    pub fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// `sluice --state ... ARGUMENTS`.
    ///
    /// # Errors
    /// When it was not built.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("--state").arg(self.state()).args(arguments);
        Ok(command)
    }

    /// Runs a shell script as a job under `policy`.
    ///
    /// # Errors
    /// When sluice cannot be executed.
    pub fn run(&self, policy: &str, script: &str) -> anyhow::Result<Job> {
        self.run_with(policy, &[], &["sh", "-c", script])
    }

    /// Runs `command` as a job under `policy`, with further options of `sluice run`.
    ///
    /// # Errors
    /// When sluice cannot be executed.
    pub fn run_with(
        &self,
        policy: &str,
        options: &[&str],
        command: &[&str],
    ) -> anyhow::Result<Job> {
        let output = self.run_command(policy, options, command)?.output()?;
        Ok(Job::of(&output))
    }

    /// The command that [`Self::run_with`] runs.
    ///
    /// # Errors
    /// When the policy cannot be written.
    pub fn run_command(
        &self,
        policy: &str,
        options: &[&str],
        command: &[&str],
    ) -> anyhow::Result<Command> {
        let file = self.scratch.write("policy.yaml", policy)?;
        let mut run = self.command(&["run", "--policy"])?;
        run.arg(file);
        if let Some(config) = &self.config {
            run.arg("--config").arg(config);
        }
        run.args(options).arg("--").args(command);
        Ok(run)
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Errors
    /// When it fails: with what it wrote to standard error.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments)?.output()?;
        if !output.status.success() {
            bail!(
                "sluice {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The JSON lines of a command that must succeed.
    ///
    /// # Errors
    /// When it fails, or prints what is no JSON.
    pub fn ask_json(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let text = self.ask(arguments)?;
        text.lines()
            .map(|line| serde_json::from_str(line).context(line.to_owned()))
            .collect()
    }

    /// All sessions, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn sessions(&self) -> anyhow::Result<Vec<Value>> {
        self.ask_json(&["sessions", "list", "--json"])
    }

    /// Sessions of one protocol, oldest first.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn sessions_of(&self, protocol: &str) -> anyhow::Result<Vec<Value>> {
        let all = self.sessions()?;
        Ok(all
            .into_iter()
            .filter(|s| s.get("protocol") == Some(&protocol.into()))
            .collect())
    }

    /// The events of a session.
    ///
    /// # Errors
    /// When it cannot be shown.
    pub fn events(&self, session: &Value) -> anyhow::Result<Vec<Value>> {
        let id = session
            .get("id")
            .and_then(Value::as_str)
            .context("a session without id")?;
        self.ask_json(&["sessions", "show", id, "--json"])
    }
}

impl Job {
    /// Of the output of `sluice run`.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal().map(|signal| 128 + signal);
        Self {
            status: output.status.code().or(signal).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
