//! The process of a job: its streams, its signals, its end.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::Pid;

/// Signals that are passed on to the job.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
];

/// `si_code` of a signal that the terminal sent to the whole foreground group (signal(7)):
/// the job has it already.
const FROM_KERNEL: i32 = 0x80;

/// Signals wait here from before the first thread is made, so that none is lost.
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks what is passed on, and the child's end, for this thread and those that it makes.
    pub(crate) fn block() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        PASSED_ON.iter().for_each(|signal| set.add(*signal));
        set.add(Signal::SIGCHLD);
        set.thread_block().context("cannot block signals")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).context("no signalfd")?;
        Ok(Self(fd))
    }

    fn next(&self) -> anyhow::Result<Option<siginfo>> {
        self.0.read_signal().context("cannot read signals")
    }
}

/// A job's process: a child, in the foreground group of our terminal, with our streams.
pub(crate) struct JobProcess(Child);

impl JobProcess {
    /// Starts `command` in `cgroup`.
    pub(crate) fn start(
        cgroup: &Path,
        user: Option<&str>,
        command: &[OsString],
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the own program")?;
        let mut enter = Command::new(own);
        enter.arg("enter").arg("--cgroup").arg(cgroup);
        if let Some(user) = user {
            enter.args(["--user", user]);
        }
        let child = enter
            .arg("--")
            .args(command)
            .spawn()
            .context("cannot start the job")?;
        Ok(Self(child))
    }

    /// Passes signals on until the job's process ends.
    pub(crate) fn wait(mut self, signals: &Signals) -> anyhow::Result<ExitStatus> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).context("a pid out of range")?);
        loop {
            if let Some(status) = self.0.try_wait().context("cannot wait for the job")? {
                return Ok(status);
            }
            let Some(info) = signals.next()? else {
                continue;
            };
            let number = i32::try_from(info.ssi_signo).context("a signal out of range")?;
            let signal = Signal::try_from(number).context("an unknown signal")?;
            if signal != Signal::SIGCHLD && info.ssi_code != FROM_KERNEL {
                // It may have ended in between; then its status tells.
                let _ = kill(pid, signal);
            }
        }
    }
}

/// What a shell would see: the status, or 128 and the signal.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|signal| 128_i32.saturating_add(signal));
    status.code().or(signal).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_what_a_shell_shows() {
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
            let status = Command::new("sh").args(["-c", script]).status().unwrap();
            assert_eq!(exit_code(status), code, "{script}");
        }
    }
}
