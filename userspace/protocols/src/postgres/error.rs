//! Why a session ended before its time, by blame.

use sluice_flow::{Cause, Refusal};

use super::codec::Broken;

/// Why a session ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The client's bytes are not PostgreSQL's, or over a limit.
    #[error("client: {0}")]
    Client(Broken),
    /// The server's bytes are not PostgreSQL's, or over a limit.
    #[error("server: {0}")]
    Upstream(Broken),
    /// A limit of the session was reached.
    #[error("the session has more {what} than the gate keeps ({limit})")]
    OverLimit {
        /// What there is too much of.
        what: &'static str,
        /// How many are kept.
        limit: usize,
    },
    /// What came back cannot be masked.
    #[error("an answer cannot be masked: {0}")]
    Undecodable(&'static str),
    /// The gate refused the session, or something that ends it.
    #[error("refused: {}", .0.text())]
    Refused(Refusal),
    /// The client went away while its operation was held.
    #[error("the client went away while its operation was held")]
    Withdrawn,
    /// The connection to the client broke.
    #[error("connection to the client: {0}")]
    ClientGone(std::io::Error),
    /// The connection to the server broke.
    #[error("connection to the server: {0}")]
    UpstreamGone(std::io::Error),
}

impl ServeError {
    /// The refusal that the client gets and the record keeps; `None` where a peer just went.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let cause = match self {
            Self::Client(broken) if broken.is_limit() => Cause::OverLimit,
            Self::Client(_) => Cause::ClientBroken,
            Self::Upstream(broken) if broken.is_limit() => Cause::OverLimit,
            Self::Upstream(_) => Cause::UpstreamBroken,
            Self::OverLimit { .. } => Cause::OverLimit,
            Self::Undecodable(_) => Cause::Undecodable,
            Self::Refused(refusal) => return Some(refusal.clone()),
            Self::Withdrawn => Cause::Withdrawn,
            Self::ClientGone(_) | Self::UpstreamGone(_) => return None,
        };
        Some(Refusal::of(cause, self.to_string()))
    }
}
