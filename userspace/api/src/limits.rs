//! What a client of the API can make large, and where it ends.

use std::time::Duration;

/// Bytes of a request's body. The largest honest one is a job with its policies.
pub const MAX_BODY: usize = 1024 * 1024;

/// Bytes of a request's head; hyper answers 431 beyond it.
pub const MAX_HEAD: usize = 16 * 1024;

/// Bytes of the reason that comes with an answer to a held operation.
pub const MAX_REASON: usize = 1000;

/// Connections at a time.
pub const MAX_CONNECTIONS: usize = 256;

/// Connections at a time of one user who is not root, so that no user can lock out the others.
pub const MAX_CONNECTIONS_OF_USER: usize = 32;

/// Events in one page of `/v1/tail`.
pub const MAX_TAIL: usize = 1000;

/// The longest that `/v1/tail` waits for an event.
pub const MAX_TAIL_WAIT: Duration = Duration::from_secs(30);

/// How often a waiting `/v1/tail` looks.
pub(crate) const TAIL_STEP: Duration = Duration::from_millis(50);

/// How long the head of a request may take to arrive, and how long a connection may idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the body of a request may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest grace that the end of a job may be asked to wait.
pub const MAX_GRACE: Duration = Duration::from_secs(60);

/// How long answers under way may take when the server goes down.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Bytes of an answer that the client takes in.
pub const MAX_ANSWER: usize = 1024 * 1024 * 1024;
