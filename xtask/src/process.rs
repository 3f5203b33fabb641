//! Starting other programs so that none outlives this one, and what they said.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Exit status with which timeout(1) says that the limit was reached.
const TIMED_OUT: i32 = 124;

/// A program to run: its arguments, environment, and limits.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    argv: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    limit: Option<Duration>,
    as_root: bool,
}

/// How a captured program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) timed_out: bool,
    /// Standard output and standard error, in the order in which they came.
    pub(crate) output: String,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>, dir: &Path) -> Self {
        Self {
            argv: vec![program.as_ref().to_os_string()],
            env: Vec::new(),
            dir: dir.to_path_buf(),
            limit: None,
            as_root: false,
        }
    }

    /// The cargo that runs this xtask, or the one on PATH.
    pub(crate) fn cargo(dir: &Path) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self::new(cargo, dir)
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.argv
            .extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    pub(crate) fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        pairs
            .into_iter()
            .fold(self, |run, (name, value)| run.env(name, value))
    }

    /// Stop the program and its children after this long.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Run as root: directly when we are, else through sudo.
    pub(crate) fn with_root(mut self) -> Self {
        self.as_root = true;
        self
    }

    /// The words a person could type.
    pub(crate) fn shown(&self) -> String {
        let words: Vec<_> = self
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    }

    /// Run with our own standard streams; an unsuccessful end is an error.
    pub(crate) fn stream(&self) -> Result<()> {
        let status = self
            .command()?
            .status()
            .with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.shown());
        }
        Ok(())
    }

    /// Run and hand back what it wrote on standard output; an unsuccessful end is an error.
    pub(crate) fn read(&self) -> Result<String> {
        let output = self.command()?.stdin(Stdio::null()).output();
        let output = output.with_context(|| self.cannot_start())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{}` ended with {}: {}",
                self.shown(),
                output.status,
                said.trim()
            );
        }
        String::from_utf8(output.stdout).with_context(|| format!("output of `{}`", self.shown()))
    }

    /// Run with both output streams in one file; `echo` shows the lines as they come, too.
    pub(crate) fn capture(&self, log: &Path, echo: bool) -> Result<Ended> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut file = File::create(log).with_context(|| format!("making {}", log.display()))?;
        // One pipe for both streams keeps their lines in order.
        let (reader, writer) = std::io::pipe().context("making a pipe")?;
        let mut command = self.command()?;
        let second = writer.try_clone().context("sharing a pipe")?;
        command.stdin(Stdio::null()).stdout(second).stderr(writer);
        let mut child = command.spawn().with_context(|| self.cannot_start())?;
        // `command` holds our ends of the pipe; while they are open the reader sees no end.
        drop(command);
        let output = copy_lines(BufReader::new(reader), &mut file, echo)?;
        let status = child
            .wait()
            .with_context(|| format!("waiting for `{}`", self.shown()))?;
        let timed_out = self.limit.is_some() && status.code() == Some(TIMED_OUT);
        Ok(Ended {
            success: status.success(),
            timed_out,
            output,
        })
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}` in {}", self.shown(), self.dir.display())
    }

    fn command(&self) -> Result<Command> {
        let words = self.words()?;
        let (program, args) = words.split_first().context("an empty command")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.dir)
            .envs(self.env.iter().cloned());
        // Cargo tells a program that it runs about that program's package;
        // the programs that we run are not in it.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                let ours = self.env.iter().any(|(set, _)| *set == name);
                if !ours {
                    command.env_remove(&name);
                }
            }
        }
        Ok(command)
    }

    /// The command with what it is wrapped in: setpriv so that it ends when we do, sudo where
    /// it needs root and we are not, timeout where it has a limit.
    fn words(&self) -> Result<Vec<OsString>> {
        let sudo = self.as_root && !is_root()?;
        if sudo && !on_path("sudo") {
            bail!(
                "`{}` needs root, and there is no sudo: run this as root",
                self.shown()
            );
        }
        let mut words: Vec<OsString> = ["setpriv", "--pdeathsig", "TERM"]
            .map(OsString::from)
            .into();
        if sudo {
            words.extend(self.through_sudo());
        }
        if let Some(limit) = self.limit {
            words.extend(["timeout", "--kill-after=10"].map(OsString::from));
            words.push(limit.as_secs().to_string().into());
        }
        words.extend(self.argv.iter().cloned());
        Ok(words)
    }

    /// sudo drops the environment, so that what we set is handed over by name.
    fn through_sudo(&self) -> Vec<OsString> {
        let pairs = self.env.iter().map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            pair
        });
        ["sudo", "env"]
            .map(OsString::from)
            .into_iter()
            .chain(pairs)
            .collect()
    }
}

fn copy_lines(mut from: impl BufRead, log: &mut File, echo: bool) -> Result<String> {
    let mut all = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if from
            .read_until(b'\n', &mut line)
            .context("reading a program's output")?
            == 0
        {
            return Ok(all);
        }
        log.write_all(&line).context("writing a log")?;
        let text = String::from_utf8_lossy(&line);
        if echo {
            print!("{text}");
        }
        all.push_str(&text);
    }
}

/// Whether this process may do what root may.
pub(crate) fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let ids = ids.context("/proc/self/status has no Uid line")?;
    // Real, effective, saved, file system: the second counts.
    Ok(ids.split_whitespace().nth(1) == Some("0"))
}

/// Whether a program of this name is in a folder of PATH.
pub(crate) fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Run {
        Run::new("sh", Path::new("/")).args(["-c", script])
    }

    #[test]
    fn both_streams_are_captured_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("deeper/log");
        let ended = shell("echo one; echo two >&2; echo three; exit 3")
            .capture(&log, false)
            .unwrap();
        assert!(!ended.success);
        assert!(!ended.timed_out);
        assert_eq!(ended.output, "one\ntwo\nthree\n");
        assert_eq!(fs::read_to_string(log).unwrap(), ended.output);
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let run = shell("exec sleep 600").limit(Duration::from_secs(1));
        let ended = run.capture(&dir.path().join("log"), false).unwrap();
        assert!(ended.timed_out);
        assert!(!ended.success);
    }

    #[test]
    fn read_hands_back_standard_output_only() {
        assert_eq!(shell("echo yes; echo no >&2").read().unwrap(), "yes\n");
    }

    #[test]
    fn read_says_what_went_wrong() {
        let error = shell("echo because >&2; exit 7")
            .read()
            .unwrap_err()
            .to_string();
        assert!(error.contains("because"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Run::new("no-such-program-here", Path::new("/"))
            .stream()
            .unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-here"));
    }

    #[test]
    fn sudo_is_handed_the_environment_by_name() {
        let run = shell("true")
            .env("SLUICE_BIN", "/x/sluice")
            .env("CI", "true");
        assert_eq!(
            run.through_sudo(),
            ["sudo", "env", "SLUICE_BIN=/x/sluice", "CI=true"]
        );
    }

    #[test]
    fn a_limit_and_the_end_of_the_parent_are_wrapped_around() {
        let words = shell("true")
            .limit(Duration::from_secs(90))
            .words()
            .unwrap();
        let want = "setpriv --pdeathsig TERM timeout --kill-after=10 90 sh -c true";
        assert_eq!(words, want.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn path_is_searched() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-here"));
    }
}
