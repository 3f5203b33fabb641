//! `sluice policy explain SESSION`: recorded operations asked again, with every rule's answer.

use std::fmt::Write as _;
use std::sync::Arc;

use sluice_flow::operation::OpaqueStream;
use sluice_flow::session::OperationRecord;
use sluice_flow::{
    DnsQuestion, Event, EventKind, HostFact, HttpBody, HttpRequest, Operation, SessionOpened,
    SqlMessage, Verdict,
};
use sluice_policy::{FlowFacts, JobPolicy, Layer, PolicySet, Source};

use crate::control::Gatehouse;
use crate::jobs::sources_of;
use crate::policies::named;

impl Gatehouse {
    /// The policies that came with the job of a session: as they are where it still runs, as
    /// the log keeps them under the digests of its verdicts where it has ended.
    pub(crate) fn policies_of(&self, events: &[Event]) -> Vec<Source> {
        let job = events.iter().find_map(|event| match &event.kind {
            EventKind::Opened(opened) => opened.job.as_ref().map(|job| job.id),
            _ => None,
        });
        let jobs = &self.parts.jobs;
        if let Some(kept) = job.and_then(|job| {
            let admitted = jobs.admitted.lock();
            admitted
                .get(&job)
                .map(|admitted| sources_of(&admitted.kept))
        }) {
            return kept;
        }
        let base = jobs
            .policy_set(Vec::new())
            .map(|set| named(&set))
            .unwrap_or_default();
        let mut sources: Vec<Source> = Vec::new();
        for event in events {
            let EventKind::Verdict { because, .. } = &event.kind else {
                continue;
            };
            let digest = &because.digest;
            let known = base.iter().any(|(_, of)| of == digest)
                || sources.iter().any(|source| source.file == *digest);
            if let (false, Ok(Some(text))) = (known, self.parts.store.policy_text(digest)) {
                sources.push(Source {
                    layer: Layer::Repository,
                    file: digest.clone(),
                    text,
                });
            }
        }
        sources
    }
}

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
