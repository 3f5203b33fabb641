//! What processes used, from proc(5).

use std::fs;

use anyhow::Context as _;
use nix::unistd::Pid;

/// Ticks a second of the times in /proc/PID/stat (USER_HZ, 100 on every Linux that we run on).
const TICKS: f64 = 100.0;

/// Whose use is counted for a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Watched {
    /// There is no process between.
    Nobody,
    /// This process: its children are the load.
    Process(Pid),
    /// This process and its workers.
    Family(Pid),
}

impl Watched {
    fn pids(self) -> Vec<Pid> {
        match self {
            Self::Nobody => Vec::new(),
            Self::Process(pid) => vec![pid],
            Self::Family(pid) => family(pid),
        }
    }

    /// CPU seconds used so far, user and system.
    pub(crate) fn cpu_seconds(self) -> anyhow::Result<f64> {
        self.pids().into_iter().map(cpu_seconds).sum()
    }

    /// Memory that is resident, KiB.
    pub(crate) fn rss_kib(self) -> anyhow::Result<f64> {
        self.pids().into_iter().map(rss_kib).sum()
    }
}

fn family(pid: Pid) -> Vec<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|p| p.parse().ok());
    let below = children.flat_map(|child| family(Pid::from_raw(child)));
    std::iter::once(pid).chain(below).collect()
}

fn cpu_seconds(pid: Pid) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    ticks(&stat)
        .map(|ticks| ticks / TICKS)
        .with_context(|| format!("/proc/{pid}/stat has no times"))
}

/// utime and stime: the 12th and 13th field behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn rss_kib(pid: Pid) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    resident(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))
}

fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_hostile_name() {
        let stat = "42 (a) b (c) 1 2) S 1 42 42 0 -1 4194560 900 0 3 0 250 50 7 8 20 0 3 0 99";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("42 (x) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn resident_memory() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t   44212 kB\nRssAnon: 1 kB\n"),
            Some(44212.0)
        );
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn our_own_process_is_found_and_nobody_costs_nothing() {
        let own = Watched::Process(Pid::this());
        assert!(own.rss_kib().unwrap() > 100.0);
        assert!(own.cpu_seconds().unwrap() >= 0.0);
        assert_eq!(Watched::Nobody.cpu_seconds().unwrap(), 0.0);
        assert_eq!(Watched::Nobody.rss_kib().unwrap(), 0.0);
    }
}
