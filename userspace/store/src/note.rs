//! What the daemon writes into the log beside sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_flow::kernel::KernelRefusal;
use sluice_flow::{ExecId, JobId};

/// Something that happened to the daemon, not in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// The daemon started.
    Started {
        /// Its version.
        version: String,
        /// Its pid.
        pid: u32,
    },
    /// The daemon stops.
    Stopped {
        /// Why.
        reason: String,
    },
    /// A policy came into force. Its text is kept under its digest, so that an old verdict can
    /// be explained.
    Policy {
        /// Its name.
        name: String,
        /// SHA-256 (hex) of its text.
        digest: String,
        /// Its text.
        text: String,
    },
    /// The kernel refused something for which there is no session.
    KernelRefused {
        /// Who asked, where that is known.
        exec: Option<ExecId>,
        /// The job that asked.
        job: Option<JobId>,
        /// What.
        refusal: KernelRefusal,
        /// How many times the same was refused since the note before.
        count: u64,
    },
    /// Events of the kernel side were lost.
    EventsLost {
        /// How many.
        count: u64,
    },
    /// What is enforced changed.
    Status {
        /// Whether connections of jobs are let to the gate.
        open: bool,
        /// Why.
        detail: String,
    },
    /// The log was damaged when it was opened. `sluice store verify` tells where.
    Damaged {
        /// What was found.
        detail: String,
    },
}

/// A note, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRecord {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub note: Note,
}
