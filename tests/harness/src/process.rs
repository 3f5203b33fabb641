use std::net::{IpAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A server process. Dropping it sends it the signal that stops it, and waits.
pub struct Daemonised {
    child: Child,
    stop: Signal,
}

impl Daemonised {
    /// Starts a server in the foreground.
    ///
    /// # Errors
    /// When it cannot be executed.
    pub fn spawn(command: &mut Command, stop: Signal) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, stop })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Daemonised {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let _ = kill(self.pid(), self.stop);
        let begun = Instant::now();
        while !self.has_ended() {
            if begun.elapsed() > Duration::from_secs(10) {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits until somebody listens.
///
/// # Errors
/// When nobody does within 20 seconds.
pub fn wait_for_port(address: IpAddr, port: u16) -> anyhow::Result<()> {
    let begun = Instant::now();
    while TcpStream::connect((address, port)).is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            bail!("nobody listens on {address}:{port}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
