//! Pure codecs and serve loops, one folder a protocol.
//!
//! A protocol is handed an open client stream and a way to reach the server, names each
//! operation to the [gate](sluice_flow::gate), and lets its bytes pass only after the verdict.
//! Nothing here opens a socket (tokio comes without `net`) or knows a policy.

pub mod detect;
pub mod dns;
pub mod http;
pub mod postgres;
pub mod sql;
