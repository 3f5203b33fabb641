//! `sluice policy explain SESSION`: recorded operations asked again, with every rule's answer.
//! The same with a daemon and without one: the log has the policies.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use sluice_flow::operation::OpaqueStream;
use sluice_flow::session::OperationRecord;
use sluice_flow::{
    DnsQuestion, Event, EventKind, HostFact, HttpBody, HttpRequest, Job, JobId, Operation,
    SessionOpened, SqlMessage, Verdict,
};
use sluice_policy::{FlowFacts, JobPolicy, Layer, Source};
use sluice_store::{LogReader, PolicyInForce, Store, StoreError};

use crate::policies::checked;

/// The policies of the past. The log has them: with a daemon and without one it is explained by
/// the policies that decided, not by those of today.
pub trait PolicyLog {
    /// The policies that were in force for a job at a moment; `None` where that is not told.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn policies_at(
        &self,
        job: JobId,
        at: Timestamp,
    ) -> Result<Option<Vec<PolicyInForce>>, StoreError>;

    /// The text of a policy by its digest.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn policy_text(&self, digest: &str) -> Result<Option<String>, StoreError>;
}

// table: what is read with a daemon, and without one.
macro_rules! policy_log {
    ($($log:ty),*) => {$(
        impl PolicyLog for $log {
            fn policies_at(
                &self,
                job: JobId,
                at: Timestamp,
            ) -> Result<Option<Vec<PolicyInForce>>, StoreError> {
                self.policies_at(job, at)
            }

            fn policy_text(&self, digest: &str) -> Result<Option<String>, StoreError> {
                self.policy_text(digest)
            }
        }
    )*};
}

policy_log!(Store, LogReader);

const LAYERS: [Layer; 3] = [Layer::Host, Layer::Organisation, Layer::Repository];

/// The policies that applied to a job at a moment.
///
/// # Errors
/// When the log does not tell them (any more), or cannot be read.
pub fn policy_of(log: &impl PolicyLog, job: &Job, at: Timestamp) -> anyhow::Result<Arc<JobPolicy>> {
    let in_force = log.policies_at(job.id, at)?;
    let in_force = in_force
        .with_context(|| format!("the log does not tell which policies job {} had", job.id))?;
    let source = |policy: PolicyInForce| -> anyhow::Result<Source> {
        let PolicyInForce {
            layer,
            file,
            digest,
        } = policy;
        let text = log.policy_text(&digest)?;
        Ok(Source {
            layer: LAYERS
                .into_iter()
                .find(|known| known.word() == layer)
                .with_context(|| format!("{file}: no layer is called `{layer}`"))?,
            text: text.with_context(|| format!("{file}: its text ({digest}) is not in the log"))?,
            file,
        })
    };
    let sources: anyhow::Result<Vec<Source>> = in_force.into_iter().map(source).collect();
    Ok(checked(sources?)?.for_job(job))
}

/// Explains each operation of a session by the policies that decided it.
///
/// # Errors
/// When the session has nothing to explain, or the log does not have its policies (any more).
pub fn explain(log: &impl PolicyLog, events: &[Event]) -> anyhow::Result<String> {
    let opened = events.iter().find_map(|event| match &event.kind {
        EventKind::Opened(opened) => Some(opened.as_ref()),
        _ => None,
    });
    let Some(SessionOpened {
        job: Some(job),
        destination: Some(destination),
        lineage,
        ..
    }) = opened
    else {
        bail!("no job opened this session: no policy was asked");
    };
    let host = match &destination.host {
        Some(name) => HostFact::Proved(name.clone()),
        None => HostFact::Unknown,
    };
    let facts = FlowFacts {
        lineage,
        ip: destination.ip,
        port: destination.port,
        host: &host,
    };
    let mut text = String::new();
    for event in events {
        if let EventKind::Operation(record) = &event.kind {
            let policy = policy_of(log, job, event.at)?;
            for judged in judged(events, event.seq) {
                explain_operation(&mut text, &policy, facts, record, judged);
            }
        }
    }
    if text.is_empty() {
        bail!("nothing was asked for in this session; `sluice sessions show` has it");
    }
    Ok(text)
}

fn explain_operation(
    text: &mut String,
    policy: &Arc<JobPolicy>,
    facts: FlowFacts<'_>,
    record: &OperationRecord,
    (status, then): (Option<u16>, Option<&Verdict>),
) {
    let operation = operation_of(record);
    let host = match (&record.proved_host, &operation) {
        (Some(proved), _) => HostFact::Proved(proved.clone()),
        (
            None,
            Operation::Http(HttpRequest {
                host: Some(claimed),
                ..
            }),
        ) => facts.host.claim(claimed, facts.ip),
        (None, _) => facts.host.clone(),
    };
    let explanation = policy.explain(facts, &operation, status, &host);
    // Writing to a String does not fail.
    let _ = writeln!(text, "{explanation}");
    if let Some(then) = then
        && then.decision.word() != explanation.verdict.decision.word()
    {
        let _ = writeln!(
            text,
            "recorded is `{}` (policy {}): what decided is not all in the record",
            then.decision.word(),
            then.digest
        );
    }
}

/// What was judged of an operation, with the verdict of then: what was asked for, and each head of
/// its answer by the status.
fn judged(events: &[Event], number: u64) -> Vec<(Option<u16>, Option<&Verdict>)> {
    let verdicts = events.iter().filter_map(|event| match &event.kind {
        EventKind::Verdict {
            operation,
            status,
            because,
            ..
        } if *operation == number => Some((*status, Some(&**because))),
        _ => None,
    });
    let judged: Vec<_> = verdicts.collect();
    if judged.is_empty() {
        return vec![(None, None)];
    }
    judged
}

/// What was asked for, as far as the record tells; what it does not tell is unknown.
fn operation_of(record: &OperationRecord) -> Operation {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    match record.protocol.as_str() {
        "http" => Operation::Http(HttpRequest {
            method: text(&record.method),
            path: text(&record.path),
            query: record.query.clone(),
            host: record.host.clone(),
            headers: Vec::new(),
            upgrade: record.upgrade.clone(),
            body: HttpBody::None,
        }),
        "postgres" => Operation::Postgres(SqlMessage {
            via: text(&record.via),
            statements: record.statements.clone(),
            database: text(&record.database),
            user: text(&record.user),
        }),
        "dns" => Operation::Dns(DnsQuestion {
            name: text(&record.name),
            r#type: text(&record.r#type),
        }),
        _ => Operation::Opaque(OpaqueStream {
            looks_like: text(&record.looks_like),
        }),
    }
}
