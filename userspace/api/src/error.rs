use std::path::PathBuf;

/// Why the API cannot be served: always the host's fault, never a client's.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another daemon answers on the socket.
    #[error(
        "{} is served by another sluice daemon: stop it, or choose another state directory",
        .0.display()
    )]
    InUse(PathBuf),
    /// The socket cannot be made.
    #[error("API socket {}: {what}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The group of administrators does not exist.
    #[error("admin group `{0}` is not in the group database: create it (groupadd {0}) or unset it")]
    NoSuchGroup(String),
}
