//! A session in one line: the fold of its events, and what others script against.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exec::Exec;
use crate::job::{Job, JobId, Labels};
use crate::session::{ApprovalState, Event, EventKind, Outcome, SessionId};
use crate::verdict::RuleRef;
use std::sync::Arc;

/// The job of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its name for good.
    pub id: JobId,
    /// The pipeline's name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

impl From<&Job> for JobSummary {
    fn from(job: &Job) -> Self {
        Self {
            id: job.id,
            name: job.name.clone(),
            labels: job.labels.clone(),
        }
    }
}

/// The destination of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationSummary {
    /// Address asked for.
    pub ip: IpAddr,
    /// Port asked for.
    pub port: u16,
    /// Name proved for it: by the address, else by the first operation that proved one.
    pub host: Option<String>,
}

/// A session in one line. The names stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Its name for good.
    pub id: SessionId,
    /// The job; `null` for a connection that no job made.
    pub job: Option<JobSummary>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was closed; `null` while it is open.
    pub closed: Option<Timestamp>,
    /// `http`, `postgres`, `dns`, `opaque`: that of the first operation; `unknown` where
    /// nothing was asked. A WebSocket is `http`, with its tunnel as an opaque operation.
    pub protocol: String,
    /// Where to; `null` for a connection that the kernel has no entry for.
    pub destination: Option<DestinationSummary>,
    /// The strictest thing that happened: `allow`, `approve`, `deny`.
    pub verdict: String,
    /// Rules that decided, in the order in which they first did.
    pub rules: Vec<RuleRef>,
    /// Bytes from the job to the server that passed.
    pub bytes_up: u64,
    /// Bytes from the server to the job that passed.
    pub bytes_down: u64,
    /// From the job's root to the process.
    pub lineage: Vec<Arc<Exec>>,
    /// Whether nothing is missing in it.
    pub lineage_complete: bool,
    /// Operations asked for.
    pub operations: u64,
    /// Operations, and flows, that were refused.
    pub refused: u64,
    /// Refusals among them that the policy's author expects.
    pub refused_expected: u64,
    /// Values that were masked.
    pub masked: u64,
    /// How it ended; `null` while it is open.
    pub outcome: Option<Outcome>,
    /// For how many seconds after its end it is kept; left out where it is kept for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
}

impl SessionSummary {
    /// Of a session of which nothing is known yet.
    #[must_use]
    pub fn new(id: SessionId, opened: Timestamp) -> Self {
        Self {
            id,
            job: None,
            opened,
            closed: None,
            protocol: "unknown".to_owned(),
            destination: None,
            verdict: "allow".to_owned(),
            rules: Vec::new(),
            bytes_up: 0,
            bytes_down: 0,
            lineage: Vec::new(),
            lineage_complete: false,
            operations: 0,
            refused: 0,
            refused_expected: 0,
            masked: 0,
            outcome: None,
            keep: None,
        }
    }

    /// Takes the next event in.
    pub fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Opened(opened) => {
                self.job = opened.job.as_ref().map(JobSummary::from);
                self.opened = event.at;
                self.destination = opened.destination.as_ref().map(|d| DestinationSummary {
                    ip: d.ip,
                    port: d.port,
                    host: d.host.clone(),
                });
                self.lineage.clone_from(&opened.lineage.execs);
                self.lineage_complete = opened.lineage.complete;
                self.keep = opened.keep;
            }
            EventKind::Operation(operation) => {
                self.operations += 1;
                // A tunnel that a request opened (WebSocket) is an operation of its session:
                // it does not make it another one.
                if self.operations == 1 {
                    self.protocol.clone_from(&operation.protocol);
                }
                if let Some(destination) = &mut self.destination
                    && destination.host.is_none()
                {
                    destination.host.clone_from(&operation.proved_host);
                }
            }
            EventKind::Verdict { because, .. } => {
                self.stricter(because.decision.word());
                because.rules.iter().for_each(|rule| self.decided_by(rule));
            }
            EventKind::Refused {
                refusal, expected, ..
            } => {
                if refusal.cause.response().refusal {
                    self.refused += 1;
                    self.refused_expected += u64::from(*expected);
                    self.stricter("deny");
                }
                refusal.rules.iter().for_each(|rule| self.decided_by(rule));
            }
            EventKind::Masked { hits, .. } => {
                self.masked += hits.iter().map(|hit| hit.count).sum::<u64>();
            }
            EventKind::Approval { state, .. } => match state {
                ApprovalState::Denied | ApprovalState::TimedOut => self.stricter("deny"),
                ApprovalState::Requested
                | ApprovalState::Agreed
                | ApprovalState::Approved
                | ApprovalState::Withdrawn => self.stricter("approve"),
            },
            EventKind::Answered { .. } | EventKind::Payload { .. } => {}
            EventKind::Closed {
                outcome,
                bytes_up,
                bytes_down,
            } => {
                self.closed = Some(event.at);
                self.outcome = Some(*outcome);
                self.bytes_up = *bytes_up;
                self.bytes_down = *bytes_down;
            }
        }
    }

    fn stricter(&mut self, word: &str) {
        let rank = |word: &str| ["allow", "approve", "deny"].iter().position(|w| *w == word);
        if rank(word) > rank(&self.verdict) {
            word.clone_into(&mut self.verdict);
        }
    }

    fn decided_by(&mut self, rule: &RuleRef) {
        if !self.rules.contains(rule) {
            self.rules.push(rule.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::destination::Destination;
    use crate::session::{OperationRecord, SessionOpened};

    fn opened(host: Option<&str>) -> EventKind {
        let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
        EventKind::Opened(Box::new(SessionOpened {
            job: None,
            destination: Some(Destination {
                host: host.map(str::to_owned),
                ..Destination::of(address)
            }),
            peer: address,
            lineage: crate::lineage::Lineage::default(),
            keep: None,
        }))
    }

    fn proves(host: Option<&str>) -> EventKind {
        EventKind::Operation(Box::new(OperationRecord {
            proved_host: host.map(str::to_owned),
            ..OperationRecord::default()
        }))
    }

    #[test]
    fn a_destination_has_the_name_of_its_address_else_the_first_that_an_operation_proved() {
        for (of_address, operations, host) in [
            (Some("a"), vec![Some("b")], Some("a")),
            (None, vec![None, Some("b"), Some("c")], Some("b")),
            (None, vec![None], None),
        ] {
            let id = SessionId::new();
            let mut summary = SessionSummary::new(id, Timestamp::UNIX_EPOCH);
            let operations = operations.into_iter().map(proves);
            for (seq, kind) in [opened(of_address)]
                .into_iter()
                .chain(operations)
                .enumerate()
            {
                let (session, at) = (id, Timestamp::UNIX_EPOCH);
                let seq = seq as u64;
                summary.apply(&Event {
                    session,
                    seq,
                    at,
                    kind,
                });
            }
            let destination = summary.destination.unwrap();
            assert_eq!(destination.host.as_deref(), host, "{of_address:?}");
        }
    }
}
