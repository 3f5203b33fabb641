//! What `/proc` says of a process that ran before sluice did. Less than what the kernel side
//! tells: the process can change most of it, and it may be gone.

use std::fs;
use std::path::Path;

use sluice_abi::ProcessKey;
use sluice_flow::ProcessId;

use crate::cgroup::id_of;
use crate::event::arguments_of;
use crate::mountinfo::cgroup_root;

/// The longest argument vector that is taken over, as the kernel side does.
const ARGV_MAX: usize = sluice_abi::ARGV_MAX;
/// Clock ticks a second that `/proc` counts in (`USER_HZ`, fixed in the kernel's ABI).
const TICKS: u64 = 100;
/// Nanoseconds of one tick.
const TICK_NS: u64 = 1_000_000_000 / TICKS;

/// An image as `/proc` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) exe: String,
    pub(crate) argv: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) uid: u32,
    /// Id of its cgroup (v2); 0 where it cannot be told.
    pub(crate) cgroup: u64,
}

/// Reads it; `None` when the process is gone or its pid is another's by now.
pub(crate) fn image(key: &ProcessKey) -> Option<Image> {
    let directory = format!("/proc/{}", key.tgid);
    let directory = Path::new(&directory);
    if !is_same(directory, key) {
        return None;
    }
    let link = |name: &str| {
        let target = fs::read_link(directory.join(name)).unwrap_or_default();
        target.to_string_lossy().into_owned()
    };
    let cmdline = fs::read(directory.join("cmdline")).unwrap_or_default();
    let status = fs::read_to_string(directory.join("status")).unwrap_or_default();
    let image = Image {
        exe: link("exe"),
        argv: arguments_of(cmdline.get(..ARGV_MAX).unwrap_or(&cmdline)),
        cwd: link("cwd"),
        uid: effective_uid(&status).unwrap_or(u32::MAX),
        cgroup: cgroup(directory).unwrap_or_default(),
    };
    is_same(directory, key).then_some(image)
}

/// The process that has this pid.
pub(crate) fn process(pid: u32) -> Option<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(ProcessId {
        tgid: pid,
        started: start_ticks(&stat)?.checked_mul(TICK_NS)?,
    })
}

/// Whether that very process is there, as long as one of its threads is.
pub(crate) fn lives(key: &ProcessKey) -> bool {
    is_same(Path::new(&format!("/proc/{}", key.tgid)), key)
}

/// Whether the process of that pid started when the kernel says it did.
fn is_same(directory: &Path, key: &ProcessKey) -> bool {
    let stat = fs::read_to_string(directory.join("stat")).unwrap_or_default();
    start_ticks(&stat).is_some_and(|ticks| ticks == key.started / TICK_NS)
}

/// Field 22 of proc_pid_stat(5); the second field may hold spaces and parentheses.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The line of the unified hierarchy, `0::/path` (cgroups(7)), as an id.
fn cgroup(directory: &Path) -> Option<u64> {
    let lines = fs::read_to_string(directory.join("cgroup")).ok()?;
    let path = lines.lines().find_map(|line| line.strip_prefix("0::/"))?;
    id_of(&cgroup_root().ok()?.join(path)).ok()
}

/// `Uid:` real, effective, saved, file system.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let fields = "S 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        for name in ["sh", "a b", "x) y (z", ")"] {
            assert_eq!(
                start_ticks(&format!("1 ({name}) {fields}")),
                Some(777),
                "{name}"
            );
        }
        for broken in [
            "",
            "1 (sh",
            "1 (sh) S 1",
            "1 (sh) S 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 x",
        ] {
            assert_eq!(start_ticks(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_effective_uid_is_the_second() {
        assert_eq!(effective_uid("Name:\tsh\nUid:\t1\t2\t3\t4\n"), Some(2));
        assert_eq!(effective_uid("Name:\tsh\n"), None);
    }

    #[test]
    fn a_process_is_named_by_its_pid_as_long_as_it_is_there() {
        let own = process(std::process::id()).unwrap();
        let key = |started| ProcessKey {
            started,
            tgid: own.tgid,
            pad: 0,
        };
        assert!(lives(&key(own.started)));
        assert!(!lives(&key(own.started + TICK_NS)));
        assert_eq!(process(0), None);
    }

    #[test]
    fn this_process_is_found_and_another_start_time_is_not() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let started = start_ticks(&stat).unwrap() * TICK_NS + 5;
        let key = ProcessKey {
            started,
            tgid: std::process::id(),
            pad: 0,
        };
        let found = image(&key).unwrap();
        assert_eq!(Path::new(&found.exe), std::env::current_exe().unwrap());
        assert_eq!(
            image(&ProcessKey {
                started: started + 2 * TICK_NS,
                ..key
            }),
            None
        );
    }
}
