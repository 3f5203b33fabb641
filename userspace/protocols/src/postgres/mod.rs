//! PostgreSQL, protocol 3.0 and 3.2 (documentation chapter 55), between a client and a server.
//!
//! [`codec`] cuts bytes into frames; `upward` says what of the client needs a verdict;
//! `downward` ties each answer of the server to the operation that asked, and masks it;
//! [`serve()`] is the loop that moves the bytes.
//!
//! - A simple query is judged whole: one refused statement refuses the message. In the
//!   extended protocol Parse is judged before the server sees it; that verdict also covers
//!   the first Execute of the same pipeline, every other Execute is judged by itself.
//! - What a refusal looks like to the client is what an error of the server looks like: the
//!   rest of the pipeline is dropped up to Sync, and an open transaction fails (the server is
//!   made to fail it too, by a statement that it cannot parse).
//! - While an operation is held the client has a NOTICE, its later bytes wait, answers flow.
//! - Rows are masked by where their columns come from ([`crate::sql`]). A value of a type
//!   that cannot hold a mask becomes NULL. Messages of the server that may show a value of a
//!   masked column are withheld. Binary COPY and function-call results on a masked route end
//!   the flow.
//! - Not understood is refused: replication, encryption that is not terminated here, COPY in
//!   both directions, answers that nothing asked for.

mod answers;
mod buffer;
mod cancels;
pub mod codec;
mod copies;
mod copy_rows;
mod downward;
mod error;
mod forms;
pub mod limits;
mod masks;
mod names;
mod objects;
mod opening;
mod refusal;
mod relay;
mod resolve;
mod rows;
mod serve;
mod session;
pub mod startup;
mod upward;
mod verdicts;

#[cfg(test)]
mod tests;

pub use cancels::Cancels;
pub use error::ServeError;
pub use refusal::{refuse, refused};
pub use serve::serve;
pub use session::Facts;
pub use startup::looks_like;
