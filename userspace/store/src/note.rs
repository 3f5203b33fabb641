//! What the daemon writes into the log beside sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sluice_flow::JobId;
use sluice_flow::kernel::KernelRefusal;

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
    /// The policies that are in force from now on: the host's, or those that came with a job.
    InForce {
        /// The job; `None` for the host's own, which apply to all.
        job: Option<JobId>,
        /// All of them.
        policies: Vec<PolicyInForce>,
    },
    /// The kernel refused more of a job than is recorded one by one.
    KernelRefused {
        /// The job that asked, where that is known.
        job: Option<JobId>,
        /// The last of them.
        refusal: KernelRefusal,
        /// How many have no session of their own.
        count: u64,
    },
    /// Events of the kernel side were lost.
    EventsLost {
        /// How many.
        count: u64,
    },
    /// Something that was to be enforced could not be.
    NotEnforced {
        /// What, and what it means.
        detail: String,
    },
    /// What is enforced changed.
    Status {
        /// Whether connections of jobs are let to the gate.
        open: bool,
        /// Why.
        detail: String,
    },
    /// The oldest segment went, because nothing in it had to be kept any longer.
    Dropped {
        /// Position at which the log starts from then on.
        through: u64,
        /// Hash (hex) of the last record that went: the chain goes on from it.
        hash: String,
        /// Bytes that went.
        bytes: u64,
        /// Sessions of which something went.
        sessions: u64,
    },
    /// The log was damaged when it was opened. `sluice store verify` tells where.
    Damaged {
        /// What was found.
        detail: String,
    },
}

/// A policy in force. Its text is in the note [`Note::Policy`] of its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// Whose it is: `host`, `organisation`, `repository`.
    pub layer: String,
    /// Where it was read from; for people.
    pub file: String,
    /// SHA-256 (hex) of its text.
    pub digest: String,
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
