//! Detectors and a streaming masker for sensitive data. Pure: bytes in, bytes out.
//!
//! A [`Masker`] is compiled once a job from the `mask:` rules of its policies and the secrets
//! that the job was given. It masks whole values ([`Masker::mask_field`]), texts
//! ([`Masker::mask_text`]) and streams ([`Masker::stream`]); a stream's output is the same
//! wherever it is cut.
//!
//! How it is fast: one pass with a bitmap of 4-byte grams (`gate`) finds the few places where a
//! keyword could stand; a detector then looks at a bounded window there (`detect`).
//! How it is right at cuts: whether and how far a detector matches is a function of a bounded
//! window of the stream around its anchor, never of the chunk, and a byte is passed on only once
//! every anchor that could still cover it is decided (`stream`).

mod column;
mod command_line;
mod command_options;
mod compile;
mod detect;
mod error;
mod find;
mod gate;
mod hits;
mod json;
pub mod limits;
mod masker;
mod paint;
mod replace;
mod rules;
mod secrets;
mod spec;
mod stream;

pub use error::MaskError;
pub use hits::{Detected, Hits};
pub use masker::{ColumnMask, Masker};
pub use spec::{Detector, MaskRule, Strategy};
pub use stream::{Format, StreamMasker};
