//! Permission to dial.

use std::net::{IpAddr, SocketAddr};

use sluice_flow::Verdict;

/// Permission to open one connection to one destination. Only this crate makes one, and it
/// cannot be copied: what dials must have asked.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    ip: IpAddr,
    port: u16,
}

impl Permit {
    pub(crate) fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }

    /// What may be dialled.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// What the policy says to a connection, before its protocol is known.
#[must_use]
#[derive(Debug)]
pub enum Admission {
    /// Some operation on it could be let through; each is judged by itself.
    Permit(Permit),
    /// No operation on it could be.
    Refuse(Box<Verdict>),
}
