//! The gate of one flow: judge, record, hold, mask.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use sluice_flow::gate::Direction;
use sluice_flow::ports::{Held, RecordError, SessionLog};
use sluice_flow::session::{ApprovalState, MaskHit, OperationRecord, Outcome};
use sluice_flow::verdict::{ApprovalTerms, Payload};
use sluice_flow::{
    Answer, Cause, Decision, Destination, EventKind, Gate, Hold, HostFact, HttpBody, Judgement,
    Lineage, Operation, Pass, Refusal, SessionId, SessionOpened, SqlMessage, Verdict,
};
use sluice_masking::{Hits, Masker};
use sluice_policy::{FlowFacts, FlowPolicy};
use uuid::Uuid;

use crate::desk::Desk;
use crate::hold::{Waiting, approval, hold_message, too_large};
use crate::job::{OpenFlow, RunningJob};
use crate::limits::MAX_RECORDED_PAYLOAD;
use crate::record::operation_record;

/// The log of the flow's session. The gate and a held operation's answer both write it.
#[derive(Clone)]
pub(crate) struct Log(Rc<RefCell<Numbered>>);

/// The log, and the number that its next event gets: numbers have no gaps.
struct Numbered {
    log: Box<dyn SessionLog>,
    next: u64,
}

impl Log {
    pub(crate) fn new(log: Box<dyn SessionLog>) -> Self {
        Self(Rc::new(RefCell::new(Numbered { log, next: 0 })))
    }

    pub(crate) fn id(&self) -> SessionId {
        self.0.borrow().log.id()
    }

    pub(crate) fn append(&self, events: Vec<EventKind>) -> Result<(), RecordError> {
        let mut numbered = self.0.borrow_mut();
        let count = events.len() as u64;
        let first = numbered.log.append(events)?;
        numbered.next = first.saturating_add(count);
        Ok(())
    }

    /// The number of the event that is appended next.
    fn next(&self) -> u64 {
        self.0.borrow().next
    }

    pub(crate) async fn synced(&self) -> Result<(), RecordError> {
        let synced = self.0.borrow().log.synced();
        synced.await
    }
}

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
    desk: Arc<Desk>,
    log: Log,
    recorded_payload: u64,
    up: u64,
    down: u64,
    refused: bool,
    _open: OpenFlow,
}

impl FlowGate {
    pub(crate) fn new(asker: Asker, policy: (u64, FlowPolicy), desk: Arc<Desk>, log: Log) -> Self {
        let (policy_version, policy) = policy;
        Self {
            _open: asker.job.open_flow(),
            asker,
            policy,
            policy_version,
            desk,
            log,
            recorded_payload: 0,
            up: 0,
            down: 0,
            refused: false,
        }
    }

    /// Writes the closing record: exactly one a flow.
    pub(crate) fn close(self, outcome: Outcome) {
        self.desk.forget_flow(self.log.id());
        let outcome = if self.refused && outcome == Outcome::Closed {
            Outcome::Refused
        } else {
            outcome
        };
        let closed = EventKind::Closed {
            outcome,
            bytes_up: self.up,
            bytes_down: self.down,
        };
        self.note(closed);
    }

    /// Whether a mask that may apply to some statement of this flow names columns.
    pub(crate) fn masks_columns(&self) -> bool {
        let unknown = Operation::Postgres(SqlMessage {
            via: String::new(),
            statements: Vec::new(),
            database: String::new(),
            user: String::new(),
        });
        let masks = self.policy.masks_for(&unknown, &self.asker.host);
        masks.iter().any(|rule| !rule.columns.is_empty())
    }

    /// Notes a refusal of the connection as such.
    pub(crate) fn refused_by(&mut self, refusal: &Refusal, expected: bool) {
        self.refused = true;
        self.note(EventKind::Refused {
            refusal: refusal.clone(),
            kernel: None,
            expected,
        });
    }

    /// Writes an event that nothing waits for. Where the log is gone the next judgement
    /// refuses; bytes that were let pass before are not taken back.
    fn note(&self, event: EventKind) {
        if let Err(error) = self.log.append(vec![event]) {
            tracing::error!(%error, session = %self.log.id(), "an event is not in the record");
        }
    }

    /// A live flow is judged by the policy that is in force now.
    fn follow_policy(&mut self) {
        if self.asker.job.policy_version() != self.policy_version {
            (self.policy_version, self.policy) = self.asker.flow_policy();
        }
    }

    /// The operation with its verdict into the log, in one write; gives the operation's number.
    async fn write(&self, record: OperationRecord, verdict: &Verdict) -> Result<u64, RecordError> {
        let operation = self.log.next();
        let mut events = vec![
            EventKind::Operation(Box::new(record)),
            EventKind::Verdict {
                operation,
                verdict: verdict.decision.word().to_owned(),
                because: Box::new(verdict.clone()),
            },
        ];
        if verdict.decision == Decision::Deny {
            events.push(EventKind::Refused {
                refusal: refusal_of(verdict),
                kernel: None,
                expected: verdict.expected,
            });
        }
        self.log.append(events)?;
        if verdict.sync || verdict.decision != Decision::Allow {
            self.log.synced().await?;
        }
        Ok(operation)
    }

    /// What the answer is masked with, and the record of what was asked.
    fn masker(&self, asked: &Operation, host: &HostFact) -> Result<Option<Arc<Masker>>, Refusal> {
        let rules = self.policy.masks_for(asked, host);
        self.asker.job.masker(rules).map_err(|error| {
            let message = format!("its answer cannot be masked: {error}");
            Refusal::of(Cause::Undecodable, message)
        })
    }

    fn hold(&self, pass: Pass, record: OperationRecord, terms: ApprovalTerms) -> Judgement {
        let session = self.log.id();
        let operation = pass.operation;
        if self
            .desk
            .remembers(session, self.asker.job.job.id, &record.digest)
        {
            self.note(approval(
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
        let log = self.log.clone();
        let requested = log
            .append(vec![approval(
                operation,
                id,
                ApprovalState::Requested,
                None,
            )])
            .map_err(|error| Refusal::of(Cause::RecorderUnavailable, error.to_string()));
        let place = requested.and_then(|_| {
            self.desk.ask(held).map_err(|full| {
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
        let masker = match self.masker(&operation, &host) {
            Ok(masker) => masker,
            Err(refusal) => {
                self.refused(&refusal);
                return Judgement::Refuse(refusal);
            }
        };
        let job = &self.asker.job;
        let mut record = operation_record(&operation, job, masker.as_deref(), verdict.payload);
        if self.asker.host.proved().is_none() {
            record.proved_host = host.proved().map(|name| job.masked_text(name));
        }
        let for_people = matches!(verdict.decision, Decision::Approve(_)).then(|| record.clone());
        let operation = match self.write(record, &verdict).await {
            Ok(operation) => operation,
            Err(error) => {
                self.refused = true;
                let refusal = Refusal::of(Cause::RecorderUnavailable, error.to_string());
                return Judgement::Refuse(refusal);
            }
        };
        // Without a masker the answer passes as it is, and as it is it must not be recorded.
        let record_payload = verdict.payload == Payload::Masked && masker.is_some();
        let pass = Pass {
            operation,
            masker,
            record_payload,
        };
        match (verdict.decision, for_people) {
            (Decision::Allow, _) => Judgement::Forward(pass),
            (Decision::Approve(terms), Some(record)) => match too_large {
                None => self.hold(pass, record, *terms),
                Some(refusal) => {
                    self.refused(&refusal);
                    Judgement::Refuse(refusal)
                }
            },
            (Decision::Deny | Decision::Approve(_), _) => {
                self.refused = true;
                let Verdict { rules, message, .. } = verdict;
                let cause = match host {
                    HostFact::Disagree { .. } => Cause::HostDisagrees,
                    HostFact::Proved(_) | HostFact::Ambiguous(_) | HostFact::Unknown => {
                        Cause::Policy
                    }
                };
                Judgement::Refuse(Refusal {
                    cause,
                    rules,
                    message,
                })
            }
        }
    }

    fn answered(&mut self, operation: u64, answer: Answer) {
        let Answer { status, tag, rows } = answer;
        self.note(EventKind::Answered {
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
            self.note(EventKind::Masked { operation, hits });
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
        self.note(EventKind::Payload {
            operation,
            direction,
            text: String::from_utf8_lossy(kept).into_owned(),
            left_out: left_out.len() as u64,
        });
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.refused |= refusal.cause.response().refusal;
        let message = self.asker.job.masked_text(&refusal.message);
        self.note(EventKind::Refused {
            refusal: Refusal {
                message,
                ..refusal.clone()
            },
            kernel: None,
            expected: false,
        });
    }

    fn passed(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Up => self.up = self.up.saturating_add(bytes),
            Direction::Down => self.down = self.down.saturating_add(bytes),
        }
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
