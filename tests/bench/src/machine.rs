//! The machine that measures: what is set for the time, and what a reader must know of it.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Open files that ten thousand flows need, with room.
const OPEN_FILES: u64 = 32_768;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The host's congestion control, put back when dropped.
///
/// sluice chooses one that suits loopback for its own ends. Unless all paths have it, the ratios
/// compare congestion controls: BBR costs 2.6 times on loopback.
///
/// Whoever else changes it in between makes the numbers worthless, so only one bench runs at a
/// time, and every scenario asks afterwards whether it [`stayed`](Self::stayed).
pub(crate) struct Congestion {
    chosen: String,
    before: String,
}

impl Congestion {
    /// Sets it for all new connections.
    pub(crate) fn set(name: &str) -> anyhow::Result<Self> {
        let before = fs::read_to_string(CONGESTION)?.trim().to_owned();
        fs::write(CONGESTION, name).with_context(|| {
            format!("cannot set the congestion control {name}; --congestion host leaves it")
        })?;
        let chosen = name.to_owned();
        Ok(Self { chosen, before })
    }

    /// An error where it is another one by now.
    pub(crate) fn stayed(&self) -> anyhow::Result<()> {
        let now = fs::read_to_string(CONGESTION)?;
        ensure!(
            now.trim() == self.chosen,
            "somebody set the congestion control to {} meanwhile: measure again",
            now.trim()
        );
        Ok(())
    }
}

impl Drop for Congestion {
    fn drop(&mut self) {
        if let Err(error) = fs::write(CONGESTION, &self.before) {
            eprintln!("cannot put {CONGESTION} back to {}: {error}", self.before);
        }
    }
}

/// A lock that one bench of this build has at a time; it ends with the value.
pub(crate) fn alone() -> anyhow::Result<File> {
    let own = File::open(std::env::current_exe()?)?;
    own.try_lock()
        .context("another bench is running: two disturb each other")?;
    Ok(own)
}

/// Has SIGINT and SIGTERM end the bench between two measurements, so that everything that it
/// started is stopped. To be called before the first thread is made.
pub(crate) fn end_on_signals() -> anyhow::Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block()?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// An error where a signal asked to end.
pub(crate) fn go_on() -> anyhow::Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}

/// Raises the limit of open files for this process and those it starts, to [`OPEN_FILES`] where
/// we may and to the hard limit where not.
pub(crate) fn open_files() -> anyhow::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= OPEN_FILES {
        return Ok(soft);
    }
    if setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES.max(hard)).is_ok() {
        return Ok(OPEN_FILES);
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// What a reader of the numbers must know.
pub(crate) fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let trimmed = |path: &str| read(path).trim().to_owned();
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    json!({
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "cpu": model,
        "kernel": trimmed("/proc/sys/kernel/osrelease"),
        "congestion": trimmed(CONGESTION),
        "load_before": load(),
    })
}

/// Processes that wanted a core over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = describe();
        assert!(machine["cores"].as_u64().unwrap() > 0);
        assert!(!machine["kernel"].as_str().unwrap().is_empty());
        assert!(load() >= 0.0);
    }

    #[test]
    fn two_benches_at_once_are_refused() {
        let first = alone().unwrap();
        let second = alone().unwrap_err().to_string();
        assert!(second.contains("another bench"), "{second}");
        drop(first);
        alone().unwrap();
    }
}
