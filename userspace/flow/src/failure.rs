//! The failure table: what happens when something is not as it should be. The default is to refuse.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A policy said so.
    Policy,
    /// The connection came without an entry of the kernel: somebody dialled the proxy.
    NoOrigin,
    /// The process behind the flow is not known.
    NoLineage,
    /// The chain of processes has a gap.
    LineageIncomplete,
    /// The names that belong to the flow do not agree.
    HostDisagrees,
    /// The protocol is not one that the gate speaks, and no rule allows it as opaque.
    UnknownProtocol,
    /// The client's bytes are not what its protocol says.
    ClientBroken,
    /// The server's bytes are not what its protocol says.
    UpstreamBroken,
    /// The server could not be reached.
    UpstreamUnreachable,
    /// Something was larger than its limit.
    OverLimit,
    /// A body that must be masked could not be decoded.
    Undecodable,
    /// Nobody approved in time, or somebody said no.
    NotApproved,
    /// The client went away while its operation was held.
    Withdrawn,
    /// The session log could not be written.
    RecorderUnavailable,
    /// The kernel refused it: a kind of socket or address that is not let out.
    Kernel,
    /// The daemon is going down.
    ShuttingDown,
}

/// What a [`Cause`] leads to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Whether it counts as a refusal of the job's operation (and with `--fail-on-deny`
    /// against the job), or is a fault of a peer.
    pub refusal: bool,
    /// Whether the flow ends with it.
    pub closes: bool,
    /// HTTP status that tells it best (RFC 9110 section 15).
    pub http: u16,
    /// SQLSTATE that tells it best (PostgreSQL appendix A).
    pub sqlstate: &'static str,
}

impl Cause {
    /// The row of the failure table.
    pub fn response(self) -> Response {
        let row = |refusal, closes, http, sqlstate| Response {
            refusal,
            closes,
            http,
            sqlstate,
        };
        match self {
            Self::Policy | Self::NotApproved => row(true, false, 403, "42501"),
            Self::NoOrigin | Self::NoLineage | Self::LineageIncomplete => {
                row(true, true, 403, "42501")
            }
            Self::HostDisagrees => row(true, true, 421, "42501"),
            Self::UnknownProtocol | Self::Kernel => row(true, true, 403, "0A000"),
            Self::ClientBroken => row(true, true, 400, "08P01"),
            Self::OverLimit => row(true, true, 413, "54000"),
            Self::Undecodable => row(true, true, 502, "0A000"),
            Self::UpstreamBroken => row(false, true, 502, "08P01"),
            Self::UpstreamUnreachable => row(false, true, 502, "08001"),
            Self::Withdrawn => row(false, true, 499, "57014"),
            Self::RecorderUnavailable => row(true, true, 503, "58030"),
            Self::ShuttingDown => row(true, true, 503, "57P01"),
        }
    }

    /// The name that records and messages use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::NoOrigin => "no_origin",
            Self::NoLineage => "no_lineage",
            Self::LineageIncomplete => "lineage_incomplete",
            Self::HostDisagrees => "host_disagrees",
            Self::UnknownProtocol => "unknown_protocol",
            Self::ClientBroken => "client_broken",
            Self::UpstreamBroken => "upstream_broken",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::OverLimit => "over_limit",
            Self::Undecodable => "undecodable",
            Self::NotApproved => "not_approved",
            Self::Withdrawn => "withdrawn",
            Self::RecorderUnavailable => "recorder_unavailable",
            Self::Kernel => "kernel",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_cause_is_its_serialised_name() {
        for cause in [
            Cause::Policy,
            Cause::NoOrigin,
            Cause::RecorderUnavailable,
            Cause::Kernel,
        ] {
            let json = serde_json::to_string(&cause).unwrap();
            assert_eq!(json, format!("\"{cause}\""));
        }
    }

    #[test]
    fn what_the_gate_does_not_understand_ends_the_flow_as_a_refusal() {
        for cause in [
            Cause::UnknownProtocol,
            Cause::ClientBroken,
            Cause::OverLimit,
        ] {
            let response = cause.response();
            assert!(response.refusal && response.closes, "{cause}");
        }
    }
}
