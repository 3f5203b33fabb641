//! A held operation from the flow's side: it waits for people, and puts on record what they say.

use std::time::Duration;

use sluice_flow::ports::{Held, RecordError};
use sluice_flow::session::{ApprovalId, ApprovalState};
use sluice_flow::{Cause, EventKind, HttpBody, HttpRequest, Operation, Pass, Refusal};

use crate::account::Log;
use crate::desk::Place;

/// What became of a request, as the record keeps it. `answer`: who said what.
pub(crate) fn approval(
    operation: u64,
    approval: ApprovalId,
    state: ApprovalState,
    answer: Option<(String, Option<String>)>,
) -> EventKind {
    let (by, reason) = answer.unzip();
    EventKind::Approval {
        operation,
        approval,
        state,
        by,
        reason: reason.flatten(),
    }
}

/// What the person at the build log is told.
pub(crate) fn hold_message(held: &Held) -> String {
    let terms = &held.terms;
    let who = terms.from.join(" or ");
    let people = match terms.count {
        0 | 1 => who,
        count => format!("{count} people of {who}"),
    };
    let ask = terms
        .message
        .as_deref()
        .map(|text| format!(" {text}."))
        .unwrap_or_default();
    let seconds = terms.timeout.as_secs();
    format!(
        "sluice: held until {people} approves, at most {seconds} s.{ask} sluice approvals approve {}",
        held.id
    )
}

/// A held operation, from the flow's side. When it is dropped unanswered the client went away.
pub(crate) struct Waiting {
    place: Place,
    log: Log,
    operation: u64,
    id: ApprovalId,
    done: bool,
}

impl Waiting {
    pub(crate) fn new(place: Place, log: Log, operation: u64, id: ApprovalId) -> Self {
        Self {
            place,
            log,
            operation,
            id,
            done: false,
        }
    }

    /// Ends with the answer that decides, or when nobody gave one for `timeout`.
    pub(crate) async fn answer(mut self, pass: Pass, timeout: Duration) -> Result<Pass, Refusal> {
        let answered = tokio::time::timeout(timeout, self.decided()).await;
        self.done = true;
        match answered {
            Ok(Ok(())) => Ok(pass),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => {
                self.record(ApprovalState::TimedOut, None).await?;
                let message = format!("nobody approved within {} s", timeout.as_secs());
                Err(self.refuse(message))
            }
        }
    }

    /// Ends with the answer that decides.
    async fn decided(&mut self) -> Result<(), Refusal> {
        while let Some(counted) = self.place.answers.recv().await {
            let said = counted
                .reason
                .clone()
                .map(|r| format!(": {r}"))
                .unwrap_or_default();
            let by = counted.by.clone();
            let answer = Some((counted.by, counted.reason));
            match (counted.agree, counted.last) {
                (true, false) => self.record(ApprovalState::Agreed, answer).await?,
                (true, true) => return self.record(ApprovalState::Approved, answer).await,
                (false, _) => {
                    self.record(ApprovalState::Denied, answer).await?;
                    return Err(self.refuse(format!("{by} said no{said}")));
                }
            }
        }
        Err(self.refuse("the request was withdrawn".to_owned()))
    }

    /// Puts the answer into the log and waits for the disk: an approval is evidence.
    async fn record(
        &self,
        state: ApprovalState,
        answer: Option<(String, Option<String>)>,
    ) -> Result<(), Refusal> {
        let unavailable =
            |error: RecordError| Refusal::of(Cause::RecorderUnavailable, error.to_string());
        let event = approval(self.operation, self.id, state, answer);
        self.log.append(vec![event]).map_err(unavailable)?;
        self.log.synced().await.map_err(unavailable)
    }

    fn refuse(&self, message: String) -> Refusal {
        let refusal = Refusal::of(Cause::NotApproved, message);
        let event = EventKind::Refused {
            refusal: refusal.clone(),
            kernel: None,
            expected: false,
        };
        if let Err(error) = self.log.append(vec![event]) {
            tracing::error!(%error, "a refusal is not in the record");
        }
        refusal
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.done {
            let event = approval(self.operation, self.id, ApprovalState::Withdrawn, None);
            if let Err(error) = self.log.append(vec![event]) {
                tracing::error!(%error, "a withdrawn request is not in the record");
            }
        }
    }
}

/// Why nobody can be asked about an operation: not all of it can wait.
pub(crate) fn too_large(operation: &Operation) -> Option<Refusal> {
    match operation {
        Operation::Http(HttpRequest {
            body: HttpBody::TooLarge { limit },
            ..
        }) => {
            let message = format!(
                "people are asked about all of a request, and the body of this one is over {limit} bytes: send less at a time"
            );
            Some(Refusal::of(Cause::OverLimit, message))
        }
        Operation::Http(_) | Operation::Postgres(_) | Operation::Dns(_) | Operation::Opaque(_) => {
            None
        }
    }
}
