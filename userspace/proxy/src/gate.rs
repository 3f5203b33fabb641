//! The gate of one flow: judge, record, hold, mask.

mod answer;

use std::sync::Arc;

use jiff::Timestamp;
use sluice_flow::gate::Direction;
use sluice_flow::ports::{Held, RecordError};
use sluice_flow::session::{ApprovalState, MaskHit, OperationRecord};
use sluice_flow::verdict::ApprovalTerms;
use sluice_flow::{
    Answer, Cause, Decision, Destination, EventKind, Gate, Hold, HostFact, HttpBody, Judgement,
    Lineage, Operation, Pass, Refusal, SessionOpened, SqlMessage, Verdict,
};
use sluice_masking::Hits;
use sluice_policy::{FlowFacts, FlowPolicy};
use uuid::Uuid;

use self::answer::{Awaited, pass};
use crate::account::{Account, Log};
use crate::desk::Desk;
use crate::hold::{Waiting, approval, hold_message, too_large};
use crate::job::RunningJob;
use crate::limits::MAX_RECORDED_PAYLOAD;
use crate::record::operation_record;

/// Who asks, and where to.
pub(crate) struct Asker {
    pub(crate) job: Arc<RunningJob>,
    /// As it is: what policies are asked about.
    pub(crate) lineage: Lineage,
    pub(crate) destination: Destination,
    pub(crate) host: HostFact,
}

impl Asker {
    /// The first event of the session.
    pub(crate) fn opened(&self, peer: std::net::SocketAddr) -> EventKind {
        EventKind::Opened(Box::new(SessionOpened {
            job: Some(self.job.job.clone()),
            destination: Some(self.destination.clone()),
            peer,
            lineage: self.job.masked_lineage(&self.lineage),
            keep: self.job.keep(),
        }))
    }

    /// The policy in force, with all that does not change during a flow judged already.
    pub(crate) fn flow_policy(&self) -> (u64, FlowPolicy) {
        let (version, policy) = self.job.policy();
        let facts = FlowFacts {
            lineage: &self.lineage,
            ip: self.destination.ip,
            port: self.destination.port,
            host: &self.host,
        };
        (version, policy.flow(facts))
    }

    fn destination_text(&self) -> String {
        let Destination { ip, port, .. } = self.destination;
        match self.host.proved() {
            Some(name) => format!("{name}:{port}"),
            None => std::net::SocketAddr::new(ip, port).to_string(),
        }
    }
}

/// The gate of one flow.
pub(crate) struct FlowGate {
    pub(crate) asker: Asker,
    policy: FlowPolicy,
    policy_version: u64,
    account: Account,
    recorded_payload: u64,
    /// The last request, where its answer is to be judged.
    awaited: Option<Awaited>,
}

impl FlowGate {
    pub(crate) fn new(asker: Asker, policy: (u64, FlowPolicy), desk: Arc<Desk>, log: Log) -> Self {
        let (policy_version, policy) = policy;
        Self {
            account: Account::new(log, desk, asker.job.open_flow()),
            asker,
            policy,
            policy_version,
            recorded_payload: 0,
            awaited: None,
        }
    }

    /// The end of judging: what is kept of a flow on which nothing more is asked.
    pub(crate) fn into_account(self) -> Account {
        self.account
    }

    /// Whether a mask that may apply to some statement of this flow names columns.
    pub(crate) fn masks_columns(&self) -> bool {
        let unknown = Operation::Postgres(SqlMessage {
            via: String::new(),
            statements: Vec::new(),
            database: String::new(),
            user: String::new(),
        });
        let masks = self.policy.masks(&unknown);
        masks.iter().any(|rule| !rule.columns.is_empty())
    }

    /// Notes a refusal of the connection as such.
    pub(crate) fn refused_by(&mut self, refusal: &Refusal, expected: bool) {
        self.account.refused();
        self.account.note(EventKind::Refused {
            refusal: refusal.clone(),
            kernel: None,
            expected,
        });
    }

    /// A live flow is judged by the policy that is in force now.
    fn follow_policy(&mut self) {
        if self.asker.job.policy_version() != self.policy_version {
            (self.policy_version, self.policy) = self.asker.flow_policy();
        }
    }

    /// The operation with its verdict into the log, in one write; gives the operation's number.
    async fn write(
        &self,
        record: OperationRecord,
        verdict: Verdict,
        refusal: Option<Refusal>,
    ) -> Result<u64, RecordError> {
        let operation = self.account.log.next();
        let asked = vec![EventKind::Operation(Box::new(record))];
        self.write_verdict(asked, (operation, None), verdict, refusal)
            .await?;
        Ok(operation)
    }

    /// A verdict on an operation, or on its answer with a status, into the log behind `events`,
    /// in one write.
    async fn write_verdict(
        &self,
        mut events: Vec<EventKind>,
        (operation, status): (u64, Option<u16>),
        verdict: Verdict,
        refusal: Option<Refusal>,
    ) -> Result<(), RecordError> {
        let sync = verdict.sync || verdict.decision != Decision::Allow;
        let expected = verdict.expected;
        events.push(EventKind::Verdict {
            operation,
            status,
            verdict: verdict.decision.word().to_owned(),
            because: Box::new(verdict),
        });
        events.extend(refusal.map(|refusal| EventKind::Refused {
            refusal,
            kernel: None,
            expected,
        }));
        self.account.log.append(events)?;
        if sync {
            self.account.log.synced().await?;
        }
        Ok(())
    }

    fn hold(&self, pass: Pass, record: OperationRecord, terms: ApprovalTerms) -> Judgement {
        let session = self.account.log.id();
        let operation = pass.operation;
        if self
            .account
            .desk
            .remembers(session, self.asker.job.job.id, &record.digest)
        {
            self.account.note(approval(
                operation,
                Uuid::now_v7(),
                ApprovalState::Approved,
                None,
            ));
            return Judgement::Forward(pass);
        }
        let asked = Timestamp::now();
        let held = Held {
            id: Uuid::now_v7(),
            session,
            job: self.asker.job.job.clone(),
            asked,
            expires: asked.checked_add(terms.timeout).unwrap_or(Timestamp::MAX),
            destination: self.asker.destination_text(),
            operation: record,
            terms,
            agreed: Vec::new(),
            lineage: self.asker.job.masked_lineage(&self.asker.lineage),
        };
        let message = hold_message(&held);
        let (id, timeout) = (held.id, held.terms.timeout);
        let log = self.account.log.clone();
        let requested = log
            .append(vec![approval(
                operation,
                id,
                ApprovalState::Requested,
                None,
            )])
            .map_err(|error| Refusal::of(Cause::RecorderUnavailable, error.to_string()));
        let place = requested.and_then(|_| {
            self.account.desk.ask(held).map_err(|full| {
                let message = format!("{} operations wait for approval already", full.limit);
                Refusal::of(Cause::OverLimit, message)
            })
        });
        match place {
            Ok(place) => {
                let waiting = Waiting::new(place, log, operation, id);
                Judgement::Hold(Hold {
                    message,
                    answer: Box::pin(waiting.answer(pass, timeout)),
                })
            }
            Err(refusal) => Judgement::Refuse(refusal),
        }
    }
}

impl Gate for FlowGate {
    async fn judge(&mut self, operation: Operation) -> Judgement {
        self.follow_policy();
        let host = claimed_host(&self.asker, &operation);
        let mut verdict = self.policy.decide(&operation, &host);
        let operation = match (&verdict.decision, operation) {
            (Decision::Approve(_), Operation::Http(request))
                if request.body == HttpBody::Unread =>
            {
                return Judgement::ReadBody(Box::new(request));
            }
            (_, operation) => operation,
        };
        let too_large = too_large(&operation);
        // It may quote what was asked, and it is recorded.
        verdict.message = self.asker.job.masked_text(&verdict.message);
        let judges_answer = self.policy.judges_answer(&operation, &host);
        let maskers = self.maskers(&operation, judges_answer, &host);
        let (of_record, masker) = match maskers {
            Ok(maskers) => maskers,
            Err(refusal) => {
                self.refused(&refusal);
                return Judgement::Refuse(refusal);
            }
        };
        let job = &self.asker.job;
        let payload = verdict.payload;
        let mut record = operation_record(&operation, job, of_record.as_deref(), payload);
        if self.asker.host.proved().is_none() {
            record.proved_host = host.proved().map(|name| job.masked_text(name));
        }
        let (held, refusal) = match &verdict.decision {
            Decision::Allow => (None, None),
            Decision::Approve(terms) => (Some((record.clone(), terms.as_ref().clone())), None),
            Decision::Deny => (None, Some(denied(&verdict, &host))),
        };
        let number = match self.write(record, verdict, refusal.clone()).await {
            Ok(number) => number,
            Err(error) => {
                self.account.refused();
                let refusal = Refusal::of(Cause::RecorderUnavailable, error.to_string());
                return Judgement::Refuse(refusal);
            }
        };
        if let Some(refusal) = refusal {
            self.account.refused();
            return Judgement::Refuse(refusal);
        }
        let pass = pass(number, masker, payload, judges_answer);
        if judges_answer {
            self.awaited = Some(Awaited {
                number,
                operation,
                host,
            });
        }
        match (held, too_large) {
            (None, _) => Judgement::Forward(pass),
            (Some((record, terms)), None) => self.hold(pass, record, terms),
            (Some(_), Some(refusal)) => {
                self.refused(&refusal);
                Judgement::Refuse(refusal)
            }
        }
    }

    async fn judge_answer(&mut self, operation: u64, status: u16) -> Result<Pass, Refusal> {
        self.judged_answer(operation, status).await
    }

    fn answered(&mut self, operation: u64, answer: Answer) {
        let Answer { status, tag, rows } = answer;
        self.account.note_later(EventKind::Answered {
            operation,
            status,
            tag,
            rows,
        });
    }

    fn masked(&mut self, operation: u64, hits: &Hits) {
        let hits: Vec<MaskHit> = hits
            .iter()
            .map(|(detected, rule, count)| MaskHit {
                rule: rule.to_owned(),
                detector: detected.name().to_owned(),
                count,
            })
            .collect();
        if !hits.is_empty() {
            self.account
                .note_later(EventKind::Masked { operation, hits });
        }
    }

    fn payload(&mut self, operation: u64, direction: Direction, masked: &[u8]) {
        let room = MAX_RECORDED_PAYLOAD.saturating_sub(self.recorded_payload);
        let room = usize::try_from(room)
            .unwrap_or(usize::MAX)
            .min(masked.len());
        let (kept, left_out) = masked.split_at_checked(room).unwrap_or((masked, &[]));
        self.recorded_payload = self.recorded_payload.saturating_add(kept.len() as u64);
        if kept.is_empty() {
            return;
        }
        self.account.note_later(EventKind::Payload {
            operation,
            direction,
            text: String::from_utf8_lossy(kept).into_owned(),
            left_out: left_out.len() as u64,
        });
    }

    fn refused(&mut self, refusal: &Refusal) {
        if refusal.cause.response().refusal {
            self.account.refused();
        }
        let message = self.asker.job.masked_text(&refusal.message);
        self.account.note(EventKind::Refused {
            refusal: Refusal {
                message,
                ..refusal.clone()
            },
            kernel: None,
            expected: false,
        });
    }

    fn passed(&mut self, direction: Direction, bytes: u64) {
        self.account.passed(direction, bytes);
    }
}

/// The host of an operation: what was resolved, and what the operation itself claims.
fn claimed_host(asker: &Asker, operation: &Operation) -> HostFact {
    match operation {
        Operation::Http(request) => match &request.host {
            Some(claimed) => asker.host.claim(claimed, asker.destination.ip),
            None => asker.host.clone(),
        },
        Operation::Postgres(_) | Operation::Dns(_) | Operation::Opaque(_) => asker.host.clone(),
    }
}

/// A refused operation: by a rule, or because its name is not the one that was resolved.
fn denied(verdict: &Verdict, host: &HostFact) -> Refusal {
    let cause = match host {
        HostFact::Disagree { .. } => Cause::HostDisagrees,
        HostFact::Proved(_) | HostFact::Ambiguous(_) | HostFact::Unknown => Cause::Policy,
    };
    Refusal {
        cause,
        ..refusal_of(verdict)
    }
}

pub(crate) fn refusal_of(verdict: &Verdict) -> Refusal {
    Refusal {
        cause: Cause::Policy,
        rules: verdict.rules.clone(),
        message: verdict.message.clone(),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
pub(crate) mod tests;
