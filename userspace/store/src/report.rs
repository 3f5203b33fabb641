//! What was found when a log was judged.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use sluice_flow::SessionId;

use crate::frame::Broken;

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not what was written.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// Between the segment before it and this one something is missing.
    #[error(
        "the log has nothing between position {from} and this segment, which says it is at {to}"
    )]
    Gap {
        /// Where the log was expected to go on.
        from: u64,
        /// Where this segment goes on.
        to: u64,
    },
    /// The segment was not written behind the one before it, or under another name.
    #[error("this is not the segment that was written here")]
    Segment,
    /// A segment that others follow ends in the middle of a record.
    #[error("the segment ends in the middle of a record, and others follow it")]
    Torn,
    /// Events of a session are missing, or there are some too many.
    #[error("session {session}: expected its event {expected}, found {found}")]
    Sequence {
        /// The session.
        session: SessionId,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A note is missing, or there is one too many.
    #[error("expected note {expected}, found {found}")]
    Note {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A record does not point to the one before it in its session.
    #[error("the record points to another one than the one before it in its session")]
    Back,
    /// A record's content is none.
    #[error("the record cannot be read: {0}")]
    Payload(String),
    /// Synced records at the end are gone.
    #[error("the log was cut: {missing} bytes that were synced are gone")]
    Cut {
        /// How many bytes.
        missing: u64,
    },
    /// The log is another one than the head tells of.
    #[error("the log has another record here than the head file tells of")]
    Head,
    /// The head file is gone.
    #[error("the head file is gone or is none: a cut of the end would not show")]
    NoHead,
}

/// The first bad place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// The segment, or the head file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong; for programs by its sentence.
    #[serde(serialize_with = "as_text")]
    pub what: Fault,
}

fn as_text<S: serde::Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fault)
}

/// What [`verify`](crate::verify) found. The counts are of what stands before the first bad place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Segments.
    pub segments: u64,
    /// Records.
    pub frames: u64,
    /// Sessions.
    pub sessions: u64,
    /// Notes.
    pub notes: u64,
    /// Position behind the last good record.
    pub bytes: u64,
    /// Position at which the log starts: what was before went as `record.keep` says, which the
    /// log tells itself.
    pub dropped: u64,
    /// Bytes of a last record that is being written, or was when the process died. The next
    /// start cuts them off; nobody was told that they were written.
    pub unfinished: u64,
    /// The first bad place.
    pub bad: Option<Bad>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bad.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segments,
            frames,
            sessions,
            bytes,
            ..
        } = self;
        let good = format!(
            "{} of {} in {}, {bytes} bytes",
            counted(*frames, "record"),
            counted(*sessions, "session"),
            counted(*segments, "segment"),
        );
        match &self.bad {
            None => write!(f, "whole: {good}, the hash chain holds")?,
            Some(bad) => write!(
                f,
                "DAMAGED: {}, byte {}: {}\nbefore it: {good}, as they were written",
                bad.file.display(),
                bad.offset,
                bad.what
            )?,
        }
        if self.dropped > 0 {
            write!(
                f,
                "\n{} bytes before it went as policies say (record.keep), and the log tells so",
                self.dropped
            )?;
        }
        if self.unfinished > 0 {
            write!(
                f,
                "\n{} bytes of an unfinished record at the end",
                self.unfinished
            )?;
        }
        Ok(())
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
