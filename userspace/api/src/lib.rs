//! The local API: HTTP/1.1 (RFC 9112) and JSON on a unix socket, and its client.
//!
//! ```text
//! curl --unix-socket /var/lib/sluice/sluice.sock http://sluice/v1/approvals
//! ```
//!
//! Every local user may connect; what a request may do is decided by who the kernel says is at
//! the other end ([`peer`]), request by request:
//!
//! | who | may |
//! | --- | --- |
//! | a process of a job | nothing: a job runs as the user who may approve it |
//! | root, and members of [`ApiOptions::admin_group`] | everything |
//! | everybody else | see what is held for their groups, and answer it; the desk counts the answer only where the policy asks them |
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/status` | [`Status`](sluice_flow::ports::Status) |
//! | `GET /v1/sessions?job=&process=&host=&verdict=&since=&until=&limit=` | a [`SessionSummary`](sluice_flow::SessionSummary) a line |
//! | `GET /v1/sessions/{id}` | an [`Event`](sluice_flow::Event) a line |
//! | `GET /v1/tail?position=&most=&wait=` | [`TailPage`]; waits up to `wait` seconds for events |
//! | `GET /v1/approvals` | a [`Held`](sluice_flow::ports::Held) a line |
//! | `POST /v1/approvals/{id}` with [`AnswerRequest`] | [`AnswerTaken`] |
//! | `POST /v1/jobs` with [`JobRequest`](sluice_flow::ports::JobRequest) | [`JobTicket`](sluice_flow::ports::JobTicket) |
//! | `DELETE /v1/jobs/{id}?grace=` | 204 |
//! | `POST /v1/reload` | a list of [`PolicyInForce`] |
//! | `GET /v1/explain/{id}` | text |
//!
//! What does not go well is a [`Problem`] with a status of RFC 9110 section 15. "A line" is a
//! JSON text a line, `application/x-ndjson`.

mod caller;
pub mod client;
mod error;
pub mod limits;
pub mod peer;
mod problem;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::path::{Path, PathBuf};

pub use client::{Client, ClientError};
pub use error::ApiError;
pub use problem::Problem;
pub use server::{ApiOptions, Ports, Server};
pub use wire::{AnswerRequest, AnswerTaken, PolicyInForce, TailPage};

/// Name of the socket in the state directory.
pub const SOCKET: &str = "sluice.sock";

/// Where the socket of a state directory is.
#[must_use]
pub fn socket_path(state: &Path) -> PathBuf {
    state.join(SOCKET)
}
