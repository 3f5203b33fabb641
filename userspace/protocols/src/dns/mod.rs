//! DNS messages (RFC 1035), pure: a job's questions in, refusals out, and the addresses that an
//! answer ties to a name. Sockets are the proxy's.
//!
//! Messages pass as they came: nothing here is written anew but a refusal, and the type of a record
//! with keys for Encrypted ClientHello ([`hide_ech`]). What is read is read
//! by a bounded [`cursor`](Cursor): a compression pointer must point backwards (so a loop cannot
//! be) and not into the header, a name has at most 255 bytes, and a message at most 65,535.

mod answer;
mod cursor;
mod ech;
mod framing;
mod owned;
mod question;
mod reply;

#[cfg(test)]
mod tests;

pub use answer::{Answers, Tied, answers};
pub use cursor::Cursor;
pub use ech::hide_ech;
pub use framing::{Framed, MESSAGE_BYTES, frame, next_message};
pub use owned::owned;
pub use question::{Question, question};
pub use reply::{Rcode, refusal, truncated};

/// What is wrong with a DNS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    /// It ends before its counts and lengths say so.
    #[error("the message ends too early")]
    CutShort,
    /// Bytes follow its last record.
    #[error("bytes follow the message's last record")]
    Trailing,
    /// A name of over 255 bytes, or a label that is none (RFC 1035 section 3.1).
    #[error("a name is malformed or over 255 bytes")]
    Name,
    /// A compression pointer that does not point backwards, or into the header (RFC 1035
    /// section 4.1.4).
    #[error("a compression pointer does not point backwards to a name")]
    Pointer,
    /// A response where a query was due, or the other way round.
    #[error("the message goes the wrong way")]
    Direction,
    /// Not QUERY: UPDATE, NOTIFY and the like are not forwarded.
    #[error("opcode {0} is not QUERY, the only one that is forwarded")]
    Opcode(u8),
    /// Not exactly one question (RFC 9619).
    #[error("the message has {0} questions instead of one")]
    Questions(u16),
    /// Not the Internet class.
    #[error("class {0} is not IN")]
    Class(u16),
    /// Answers or authorities in a query.
    #[error("a query carries records")]
    Records,
    /// An answer to something else: another id, name or type.
    #[error("the answer is not to the question")]
    NotTheAnswer,
    /// More records than [`answer::RECORDS`](answers).
    #[error("the answer has over {} records", answer::RECORDS)]
    TooManyRecords,
}
