//! `sluice policy explain SESSION`: recorded operations asked again, with every rule's answer.

use std::fmt::Write as _;
use std::sync::Arc;

use sluice_flow::operation::OpaqueStream;
use sluice_flow::session::OperationRecord;
use sluice_flow::{
    DnsQuestion, Event, EventKind, HostFact, HttpBody, HttpRequest, Operation, SessionOpened,
    SqlMessage, Verdict,
};
use sluice_policy::{FlowFacts, JobPolicy, PolicySet};

/// Explains each operation of a session by the policies that are in force now, and says where
/// these are not the ones that judged it then.
///
/// # Errors
/// When the session has nothing to explain.
pub(crate) fn explain(events: &[Event], set: &PolicySet) -> Result<String, String> {
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
        return Err("no job opened this session: no policy was asked".to_owned());
    };
    let policy = set.for_job(job);
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
            let then = verdict_of(events, event.seq);
            explain_operation(&mut text, &policy, facts, record, then);
        }
    }
    if text.is_empty() {
        return Err(
            "nothing was asked for in this session; `sluice sessions show` has it".to_owned(),
        );
    }
    Ok(text)
}

fn explain_operation(
    text: &mut String,
    policy: &Arc<JobPolicy>,
    facts: FlowFacts<'_>,
    record: &OperationRecord,
    then: Option<&Verdict>,
) {
    let operation = operation_of(record);
    let host = match &operation {
        Operation::Http(HttpRequest {
            host: Some(claimed),
            ..
        }) => facts.host.claim(claimed, facts.ip),
        _ => facts.host.clone(),
    };
    let explanation = policy.explain(facts, &operation, &host);
    // Writing to a String does not fail.
    let _ = writeln!(text, "{explanation}");
    if let Some(then) = then
        && then.decision.word() != explanation.verdict.decision.word()
    {
        let _ = writeln!(
            text,
            "then it was `{}` by policy {}: the policies have changed since",
            then.decision.word(),
            then.digest
        );
    }
}

fn verdict_of(events: &[Event], number: u64) -> Option<&Verdict> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::Verdict {
            operation, because, ..
        } if *operation == number => Some(&**because),
        _ => None,
    })
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
