//! The answer to an operation: what it is masked with, and that to a request judged by its status.

use std::sync::Arc;

use sluice_flow::verdict::Payload;
use sluice_flow::{Cause, Decision, Gate as _, HostFact, Operation, Pass, Refusal};
use sluice_masking::Masker;

use super::{FlowGate, denied};

/// What something is masked with; `None`: with nothing.
type Masks = Option<Arc<Masker>>;

/// A request whose answer is to be judged.
pub(super) struct Awaited {
    pub(super) number: u64,
    pub(super) operation: Operation,
    /// As the request was judged.
    pub(super) host: HostFact,
}

/// The pass of an operation, or of its answer.
pub(super) fn pass(operation: u64, masker: Masks, payload: Payload, judges_answer: bool) -> Pass {
    Pass {
        operation,
        // Without a masker the answer passes as it is, and as it is it must not be recorded.
        record_payload: payload == Payload::Masked && masker.is_some(),
        masker,
        judges_answer,
    }
}

/// The status of an answer that could not be masked: a change of protocol where one is asked for,
/// else a part (RFC 9110 sections 15.2.2 and 15.3.7).
fn status_of_unmaskable(operation: &Operation) -> u16 {
    match operation {
        Operation::Http(request) if request.upgrade.is_some() => 101,
        Operation::Http(_) | Operation::Postgres(_) | Operation::Dns(_) | Operation::Opaque(_) => {
            206
        }
    }
}

impl FlowGate {
    /// What the record of an operation is masked with, and its answer. Where masks depend on the
    /// status of the answer, the record gets all that may apply, and what is told of the answer
    /// is whether it must not come in a form that cannot be masked.
    pub(super) fn maskers(
        &self,
        asked: &Operation,
        judges_answer: bool,
        host: &HostFact,
    ) -> Result<(Masks, Masks), Refusal> {
        let all = self.masker(asked, None, host)?;
        let of_answer = if judges_answer {
            self.masker(asked, Some(status_of_unmaskable(asked)), host)?
        } else {
            all.clone()
        };
        Ok((all, of_answer))
    }

    fn masker(
        &self,
        asked: &Operation,
        status: Option<u16>,
        host: &HostFact,
    ) -> Result<Masks, Refusal> {
        let rules = self.policy.masks_for(asked, status, host);
        if let Operation::Opaque(_) = asked {
            return match rules.first() {
                None => Ok(None),
                Some(rule) => Err(Refusal::of(
                    Cause::Undecodable,
                    format!(
                        "a stream that is not understood cannot be masked, as `{}` asks here: \
                         whoever keeps the policy can give that mask `protocol: [http, postgres]`",
                        rule.name
                    ),
                )),
            };
        }
        self.asker.job.masker(rules).map_err(|error| {
            let message = format!("its answer cannot be masked: {error}");
            Refusal::of(Cause::Undecodable, message)
        })
    }

    /// Judges a head of an answer by the policy that judged the request: another one that came
    /// into force meanwhile is for the next operation.
    pub(super) async fn judged_answer(
        &mut self,
        number: u64,
        status: u16,
    ) -> Result<Pass, Refusal> {
        let awaited = self.awaited.take();
        let Some(awaited) = awaited.filter(|awaited| awaited.number == number) else {
            let why = format!("the answer {status} is to a request that is not known any more");
            let refusal = Refusal::of(Cause::Undecodable, why);
            self.refused(&refusal);
            return Err(refusal);
        };
        let Awaited {
            operation, host, ..
        } = &awaited;
        let mut verdict = self.policy.decide_answer(operation, status, host);
        // It may quote what was asked, and it is recorded.
        verdict.message = self.asker.job.masked_text(&verdict.message);
        let masker = match self.masker(operation, Some(status), host) {
            Ok(masker) => masker,
            Err(refusal) => {
                self.refused(&refusal);
                return Err(refusal);
            }
        };
        let refusal = match &verdict.decision {
            Decision::Allow => None,
            // Nobody is asked about an answer.
            Decision::Approve(_) | Decision::Deny => Some(denied(&verdict, host)),
        };
        if refusal.is_some() {
            self.account.refused();
        }
        let payload = verdict.payload;
        let written = self
            .write_verdict(Vec::new(), (number, Some(status)), verdict, refusal.clone())
            .await;
        if let Err(error) = written {
            self.account.refused();
            return Err(Refusal::of(Cause::RecorderUnavailable, error.to_string()));
        }
        self.awaited = Some(awaited);
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(pass(number, masker, payload, true)),
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
