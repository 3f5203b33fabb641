//! A flow at its end.

use sluice_flow::session::Outcome;
use sluice_flow::{EventKind, Refusal};

use crate::account::{Account, Log};
use crate::gate::FlowGate;

/// How a flow ended, and who writes that down.
pub(crate) struct Ended {
    by: Recorded,
    outcome: Outcome,
}

enum Recorded {
    Account(Account),
    Log(Log),
}

impl Ended {
    pub(crate) fn of(gate: FlowGate, outcome: Outcome) -> Self {
        Self::settled(gate.into_account(), outcome)
    }

    pub(crate) fn settled(account: Account, outcome: Outcome) -> Self {
        Self {
            by: Recorded::Account(account),
            outcome,
        }
    }

    /// A flow that had no gate.
    pub(crate) fn bare(log: Log, outcome: Outcome) -> Self {
        Self {
            by: Recorded::Log(log),
            outcome,
        }
    }

    pub(crate) fn close(self) {
        match self.by {
            Recorded::Account(account) => account.close(self.outcome),
            Recorded::Log(log) => {
                let closed = EventKind::Closed {
                    outcome: self.outcome,
                    bytes_up: 0,
                    bytes_down: 0,
                };
                if let Err(error) = log.append(vec![closed]) {
                    tracing::error!(%error, "a closing record is missing");
                }
            }
        }
    }
}

/// The outcome of a protocol that tells only whether it went well.
pub(crate) fn outcome(well: bool) -> Outcome {
    if well {
        Outcome::Closed
    } else {
        Outcome::Failed
    }
}

/// The end of a connection that no policy was asked about.
pub(crate) fn refused_unjudged(log: Log, opened: EventKind, refusal: Refusal) -> Ended {
    let refused = EventKind::Refused {
        refusal,
        kernel: None,
        expected: false,
    };
    if let Err(error) = log.append(vec![opened, refused]) {
        tracing::error!(%error, "a refused connection is not in the record");
    }
    Ended::bare(log, Outcome::Refused)
}
