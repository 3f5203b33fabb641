//! HTTP/1.1 in clear (RFC 9110, RFC 9112).
//!
//! The proxy loop is our own, on httparse: heads are forwarded byte for byte as they came, so
//! shadow mode and unmasked routes change nothing, and what a library would forgive (and two
//! parsers would read differently) is refused on the raw bytes before it is parsed.
//!
//! | where | what |
//! | --- | --- |
//! | [`scan`] | the end of a head, strictly CRLF |
//! | [`target`] | the path that a policy is asked about |
//! | [`request`], [`response`] | heads; [`fields`] says how long a body is |
//! | [`chunked`], [`frames`] | where a body ends |
//! | [`decode`], `masked` | a body on a masked route |
//! | [`serve()`] | the loop: request, verdict, exchange |
//!
//! What this version does not do: HTTP/2 (an `Upgrade: h2c` is taken off the request), CONNECT
//! (refused), masking of request bodies, and judging bodies: a request is judged by its head.

pub mod chunked;
pub mod decode;
pub mod error;
pub mod fields;
pub mod frames;
pub mod limits;
pub mod request;
pub mod response;
pub mod scan;
pub mod target;

mod download;
mod edit;
mod exchange;
mod held_body;
mod leg;
mod masked;
mod refusal;
mod relay;
mod serve;
mod tunnel;
mod upload;

#[cfg(test)]
mod tests;

pub use error::Fault;
pub use refusal::refuse;
pub use serve::{Dial, serve};
