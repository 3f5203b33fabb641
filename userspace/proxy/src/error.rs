//! What can go wrong in the proxy itself, by who is to blame.

use std::io;

use sluice_flow::ports::RecordError;
use sluice_masking::MaskError;

/// An error of the proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Policy or job: a mask that cannot be applied.
    #[error("mask: {0}")]
    Mask(#[from] MaskError),
    /// Host: a socket of the proxy could not be set up.
    #[error("{what}: {source}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Us or the disk: the record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl ProxyError {
    pub(crate) fn host(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Host { what, source }
    }
}
