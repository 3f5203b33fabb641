//! One program image of one process, and how it is named for good.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::image::{ImageFile, NoDigest};

/// The kernel's `/proc/sys/kernel/random/boot_id`: two boots never share one.
pub type BootId = Uuid;

/// A process for as long as one boot lasts.
///
/// A pid comes back, a pid with the start time of its thread group leader does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// Thread group id, as seen from the initial PID namespace.
    pub tgid: u32,
    /// `start_boottime` of the thread group leader, nanoseconds since boot.
    pub started: u64,
}

/// One program image of one process: (boot, tgid, start time, exec ordinal).
///
/// The ordinal counts `execve` calls of the process; a process that was forked and has not
/// called it runs ordinal 0, the image of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecId {
    /// The boot in which the process lived.
    pub boot: BootId,
    /// The process.
    pub process: ProcessId,
    /// How many `execve` calls the process had made.
    pub ordinal: u32,
}

impl fmt::Display for ExecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessId { tgid, started } = self.process;
        write!(
            f,
            "{}.{tgid}.{started}.{}",
            self.boot.simple(),
            self.ordinal
        )
    }
}

/// What is wrong with the text of an [`ExecId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no exec id: expected BOOT.PID.START.ORDINAL as `sluice lineage` prints it")]
pub struct ExecIdError {
    text: String,
}

impl FromStr for ExecId {
    type Err = ExecIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_exec_id(text).ok_or_else(|| ExecIdError {
            text: text.to_owned(),
        })
    }
}

fn parse_exec_id(text: &str) -> Option<ExecId> {
    let mut parts = text.split('.');
    let boot = Uuid::parse_str(parts.next()?).ok()?;
    let tgid = parts.next()?.parse().ok()?;
    let started = parts.next()?.parse().ok()?;
    let ordinal = parts.next()?.parse().ok()?;
    let process = ProcessId { tgid, started };
    parts.next().is_none().then_some(ExecId {
        boot,
        process,
        ordinal,
    })
}

impl Serialize for ExecId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExecId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a program image came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The first image of the job.
    Root,
    /// A copy of its parent's image: `fork`, `vfork`, `clone`.
    Fork,
    /// `execve` in the same process.
    Exec,
    /// It ran before sluice did; read from `/proc`, which the process itself can change.
    Found,
}

/// How much of an argument vector the kernel could copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgvState {
    /// All of it.
    #[default]
    Whole,
    /// Longer than the kernel side copies; the end is missing.
    Truncated,
    /// The pages were not there; nothing, or not all, was copied.
    Faulted,
}

impl ArgvState {
    /// Whether all arguments are there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// One program image of one process, as the kernel saw it start.
///
/// Serialises to the element of a session's `lineage` that others script against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Its name for good.
    pub id: ExecId,
    /// Thread group id; repeated from `id` for those who read JSON.
    pub pid: u32,
    /// Absolute path as it was executed; for a script the script, not its interpreter.
    pub exe: String,
    /// Arguments, `argv[0]` first; secrets in them are masked before they are stored.
    pub argv: Vec<String>,
    /// Whether `argv` is all of them.
    #[serde(default, skip_serializing_if = "ArgvState::is_whole")]
    pub argv_state: ArgvState,
    /// Working directory at the time.
    pub cwd: String,
    /// Effective user id in the initial user namespace.
    pub uid: u32,
    /// Id of the cgroup (v2) at the time.
    pub cgroup: u64,
    /// When this image started.
    pub started: Timestamp,
    /// How it came to be.
    pub how: How,
    /// The file that it was made of, where the kernel told. Not in sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFile>,
    /// SHA-256 (hex) of that file, where a policy asked for it and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_sha256: Option<String>,
    /// Why it is not, where one asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_sha256_unknown: Option<NoDigest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_id_goes_through_text_and_back() {
        let id = ExecId {
            boot: Uuid::from_u128(7),
            process: ProcessId {
                tgid: 42,
                started: 99,
            },
            ordinal: 3,
        };
        assert_eq!(id.to_string().parse::<ExecId>(), Ok(id));
    }

    #[test]
    fn exec_id_refuses_what_it_did_not_write() {
        let boot = Uuid::from_u128(7).simple().to_string();
        for text in [
            "",
            "a.b.c.d",
            &boot,
            &format!("{boot}.1.2"),
            &format!("{boot}.1.2.3.x"),
        ] {
            assert!(text.parse::<ExecId>().is_err(), "{text}");
        }
    }
}
