//! The end of `run`, for people at a terminal.

use std::path::Path;

use serde_json::json;
use sluice_flow::session::OperationRecord;
use sluice_flow::{Event, EventKind, JobId, RuleRef, SessionId, SessionSummary};

use super::chain::{operation_line, place, process};
use super::event::names;
use super::sessions::{remark, verdict};
use crate::paper::{Cell, Paint, Table, count, look, one_line, short_id, shortened};

/// A job that has ended.
pub(crate) struct JobEnd<'a> {
    pub(crate) job: JobId,
    pub(crate) name: &'a str,
    /// What a shell would see.
    pub(crate) status: i32,
    /// Oldest first.
    pub(crate) sessions: &'a [SessionSummary],
    /// What was refused, oldest first.
    pub(crate) refused: &'a [RefusedOperation],
    /// Refusals that are not among `refused`, because there are too many to show.
    pub(crate) more_refused: u64,
    /// Events of the kernel side that were lost: lineages may have gaps.
    pub(crate) lost: u64,
    /// The daemon went away in the middle: from then on the kernel refused what the job asked.
    pub(crate) gone: bool,
    /// The state directory, where it is not the usual one.
    pub(crate) state: Option<&'a Path>,
}

impl JobEnd<'_> {
    /// What tells why something was refused, as it is typed.
    pub(super) fn explained_by(&self, refused: &RefusedOperation) -> String {
        let state = self
            .state
            .map(|state| format!(" --state {}", state.display()));
        let state = one_line(&state.unwrap_or_default());
        format!(
            "sluice policy explain {}{state}",
            short_id(refused.session.0)
        )
    }
}

/// Something that did not go on, with what would let it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedOperation {
    pub(crate) session: SessionId,
    pub(crate) process: String,
    pub(crate) destination: String,
    /// What was asked for; empty where it did not come to that.
    pub(crate) operation: String,
    pub(crate) rules: Vec<RuleRef>,
    pub(crate) message: String,
    pub(crate) expected: bool,
    /// A rule that would allow it, where no rule forbids it: one line of a policy.
    pub(crate) allow: Option<String>,
}

/// The refusals of one session.
pub(crate) fn refused_operations(
    session: &SessionSummary,
    events: &[Event],
) -> Vec<RefusedOperation> {
    let mut found = Vec::new();
    let mut asked: Option<&OperationRecord> = None;
    for event in events {
        match &event.kind {
            EventKind::Operation(operation) => asked = Some(operation),
            EventKind::Verdict { operation, .. } | EventKind::Approval { operation, .. } => {
                asked = of_number(events, *operation);
            }
            EventKind::Refused {
                refusal, expected, ..
            } if refusal.cause.response().refusal => found.push(RefusedOperation {
                session: session.id,
                process: process(session),
                destination: place(session.destination.as_ref()),
                operation: asked
                    .map(|asked| operation_line(asked, 120))
                    .unwrap_or_default(),
                allow: allowing_rule(session, asked, &refusal.rules),
                rules: refusal.rules.clone(),
                message: one_line(&refusal.message),
                expected: *expected,
            }),
            EventKind::Refused { .. }
            | EventKind::Opened(_)
            | EventKind::Answered { .. }
            | EventKind::Masked { .. }
            | EventKind::Payload { .. }
            | EventKind::Closed { .. } => {}
        }
    }
    found
}

fn of_number(events: &[Event], seq: u64) -> Option<&OperationRecord> {
    let event = events.iter().find(|event| event.seq == seq)?;
    match &event.kind {
        EventKind::Operation(operation) => Some(operation),
        _ => None,
    }
}

/// The least rule that would allow it. Only where nothing but a default refused it: where a
/// rule says no, its author meant it.
fn allowing_rule(
    session: &SessionSummary,
    asked: Option<&OperationRecord>,
    rules: &[RuleRef],
) -> Option<String> {
    if rules.is_empty() || rules.iter().any(|rule| rule.rule != "default") {
        return None;
    }
    let to = session.destination.as_ref()?;
    let mut what = match &to.host {
        Some(host) => json!({"host": host, "port": to.port}),
        None => {
            json!({"cidr": format!("{}/{}", to.ip, if to.ip.is_ipv4() { 32 } else { 128 }), "port": to.port})
        }
    };
    let block = asked.map(block_of)?;
    let program = session.lineage.last().map(|exec| exec.exe.clone())?;
    if let (Some(what), Some((name, block))) = (what.as_object_mut(), block) {
        what.insert(name.to_owned(), block);
    }
    let name = format!(
        "{}-{}",
        process(session),
        to.host.clone().unwrap_or_else(|| to.ip.to_string())
    );
    let rule = json!({"name": name, "who": {"exe": program}, "what": what, "then": "allow"});
    Some(format!("- {rule}"))
}

/// The protocol's block of a rule, with the keys that are known.
fn block_of(asked: &OperationRecord) -> Option<(&'static str, serde_json::Value)> {
    let known = |pairs: &[(&str, serde_json::Value)]| -> serde_json::Value {
        let known = pairs
            .iter()
            .filter(|(_, value)| !value.is_null() && *value != json!([]));
        known
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    match asked.protocol.as_str() {
        "http" => Some((
            "http",
            known(&[("method", json!(asked.method)), ("path", json!(asked.path))]),
        )),
        "postgres" => Some((
            "postgres",
            known(&[
                ("effect", json!(asked.effect)),
                ("table", json!(asked.tables)),
            ]),
        )),
        "dns" => Some((
            "dns",
            known(&[("name", json!(asked.name)), ("type", json!(asked.r#type))]),
        )),
        _ => asked
            .looks_like
            .as_ref()
            .map(|what| ("protocol", json!(what))),
    }
}

/// The summary on standard error.
pub(crate) fn summary_text(end: &JobEnd<'_>, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.on(look::HEAD, "sluice:"), headline(end));
    if !end.sessions.is_empty() {
        text.push_str(&destinations(end, paint));
    }
    for refused in end.refused {
        text.push_str(&refusal(refused, &end.explained_by(refused), paint));
    }
    if end.more_refused > 0 {
        text.push_str(&format!("  and {} more refused\n", end.more_refused));
    }
    for warning in warnings(end) {
        let word = paint.on(look::BAD, "warning:");
        text.push_str(&format!("  {word} {warning}\n"));
    }
    text
}

/// What makes the summary less than the whole truth.
pub(super) fn warnings(end: &JobEnd<'_>) -> Vec<String> {
    let lost = (end.lost > 0).then(|| {
        let lost = count(end.lost, "kernel event");
        format!("{lost} lost; some lineages may have gaps")
    });
    let gone = end.gone.then(|| {
        "the daemon went away while the job ran; connections were refused from then on".to_owned()
    });
    lost.into_iter().chain(gone).collect()
}

/// `payments-ci: 3 connections, 12 operations, 1 refused, 5 values masked (job ..., status 0)`.
pub(super) fn headline(end: &JobEnd<'_>) -> String {
    let sum = |of: fn(&SessionSummary) -> u64| end.sessions.iter().map(of).sum::<u64>();
    let sessions = u64::try_from(end.sessions.len()).unwrap_or(u64::MAX);
    let mut parts = vec![
        count(sessions, "connection"),
        count(sum(|session| session.operations), "operation"),
        format!("{} refused", sum(|session| session.refused)),
    ];
    let expected = sum(|session| session.refused_expected);
    if expected > 0 {
        parts.push(format!("{expected} of them expected"));
    }
    let masked = sum(|session| session.masked);
    if masked > 0 {
        parts.push(format!("{} masked", count(masked, "value")));
    }
    let (name, job, status) = (one_line(end.name), short_id(end.job.0), end.status);
    format!(
        "{name}: {} (job {job}, exit status {status})",
        parts.join(", ")
    )
}

/// Connections of the same process to the same place with the same verdict, in one row.
pub(super) struct Row<'a> {
    pub(super) session: &'a SessionSummary,
    pub(super) connections: u64,
    pub(super) operations: u64,
    pub(super) refused: u64,
    pub(super) masked: u64,
}

pub(super) fn rows<'a>(sessions: &'a [SessionSummary]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for session in sessions {
        let same = |row: &&mut Row<'_>| {
            place(row.session.destination.as_ref()) == place(session.destination.as_ref())
                && process(row.session) == process(session)
                && row.session.protocol == session.protocol
                && row.session.verdict == session.verdict
                && row.session.rules == session.rules
        };
        if let Some(row) = rows.iter_mut().find(same) {
            row.connections += 1;
            row.operations += session.operations;
            row.refused += session.refused;
            row.masked += session.masked;
        } else {
            rows.push(Row {
                session,
                connections: 1,
                operations: session.operations,
                refused: session.refused,
                masked: session.masked,
            });
        }
    }
    rows
}

fn destinations(end: &JobEnd<'_>, paint: Paint) -> String {
    let mut table = Table::new(&[
        "DESTINATION",
        "PROCESS",
        "PROTOCOL",
        "VERDICT",
        "",
        "TIMES",
        "OPS",
        "REFUSED",
        "MASKED",
        "RULES",
    ]);
    for row in rows(end.sessions) {
        let session = row.session;
        let times = if row.connections > 1 {
            row.connections
        } else {
            0
        };
        table.row(vec![
            Cell::new(shortened(&place(session.destination.as_ref()), 44)),
            Cell::new(shortened(&process(session), 24)),
            Cell::new(shortened(&session.protocol, 12)),
            verdict(session),
            Cell::new(remark(session)).look(look::DIM),
            Cell::number(times),
            Cell::number(row.operations),
            Cell::number(row.refused).look(look::BAD),
            Cell::number(row.masked).look(look::MASK),
            Cell::new(names(&session.rules)),
        ]);
    }
    table.print(2, paint)
}

fn refusal(refused: &RefusedOperation, see: &str, paint: Paint) -> String {
    let word = match refused.expected {
        true => paint.on(look::DIM, "refused, as expected:"),
        false => paint.on(look::BAD, "refused:"),
    };
    let who = format!("{} → {}", refused.process, refused.destination);
    let mut text = format!(
        "  {word} {who}  {}",
        paint.on(look::HEAD, &refused.operation)
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    let by = match refused.rules.as_slice() {
        [] => String::new(),
        rules => format!("by {}: ", names(rules)),
    };
    text.push_str(&format!("           {by}{}\n", refused.message));
    if refused.expected {
        return text;
    }
    if let Some(rule) = &refused.allow {
        let rule = one_line(rule);
        text.push_str(&format!(
            "           to allow it, add to the policy's rules:\n           {rule}\n"
        ));
    }
    text.push_str(&format!(
        "           {}\n",
        paint.on(look::DIM, &format!("why: {see}"))
    ));
    text
}
