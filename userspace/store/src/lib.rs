//! The session log and its index.
//!
//! The truth is an append-only log of segments ([`frame`]): every record is checksummed and
//! chained to the one before it. What was appended survives the death of the process at any
//! instant; it is on disk within 50 ms, and at once where somebody waits for
//! [`synced`](sluice_flow::ports::SessionLog::synced). The index (sled) only finds things
//! faster; it is made from the log and can be thrown away at any time.
//!
//! [`Store`] implements [`Recorder`](sluice_flow::ports::Recorder) and
//! [`Sessions`](sluice_flow::ports::Sessions); [`LogReader`] the latter without a lock.

#![forbid(unsafe_code)]

mod appender;
mod batch;
mod disk;
mod error;
mod filter;
pub mod frame;
mod head;
mod index;
mod indexing;
mod live;
mod lock;
mod note;
mod options;
mod read;
mod recording;
mod recovery;
mod replay;
mod report;
mod retention;
mod segment;
mod store;
mod sync;
mod transcript;
mod verify;

pub use disk::{Disk, FileSystem, LogFile};
pub use error::{Result, StoreError};
pub use head::{Head, HeadError};
pub use indexing::Rebuilt;
pub use note::{Note, NoteRecord, PolicyInForce};
pub use options::{Options, Usage};
pub use read::LogReader;
pub use report::{Bad, Fault, Report};
pub use retention::Dropped;
pub use store::Store;
pub use transcript::fold_answers;
pub use verify::{verify, verify_against};

#[cfg(test)]
mod tests;
