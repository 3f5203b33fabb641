//! `approvals list` and `approvals show`.

use jiff::Timestamp;
use sluice_flow::ports::Held;
use sluice_flow::verdict::Remember;

use super::chain::{command_line, operation_line, operation_text, program, programs};
use super::event::{asked_of, facts};
use crate::paper::{Cell, Paint, Table, date_time, duration, look, one_line, short_id, shortened};

/// A table of what waits.
pub(crate) fn approvals(held: &[Held], now: Timestamp, paint: Paint) -> String {
    let mut table = Table::new(&[
        "REQUEST",
        "WAITS",
        "EXPIRES IN",
        "JOB",
        "PROCESS",
        "DESTINATION",
        "AGREED",
        "FROM",
        "OPERATION",
    ]);
    for held in held {
        let process = held
            .lineage
            .leaf()
            .map_or_else(|| "unknown".to_owned(), program);
        table.row(vec![
            Cell::new(short_id(held.id)),
            Cell::new(duration(now.duration_since(held.asked))),
            Cell::new(duration(held.expires.duration_since(now))).look(look::WAIT),
            Cell::new(shortened(&held.job.name, 24)),
            Cell::new(shortened(&process, 24)),
            Cell::new(shortened(&held.destination, 44)),
            Cell::new(format!("{} of {}", held.agreed.len(), held.terms.count)),
            Cell::new(one_line(&held.groups(now).join(","))),
            Cell::new(operation_line(&held.operation, 80)).look(look::HEAD),
        ]);
    }
    table.print(0, paint)
}

/// All that a person needs to answer one request.
pub(crate) fn approval(held: &Held, now: Timestamp, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.on(look::HEAD, "request"), held.id);
    let mut field = |name: &str, value: &str| {
        let name = paint.on(look::DIM, &format!("{name:<11}"));
        text.push_str(format!("  {name}{value}").trim_end());
        text.push('\n');
    };
    field(
        "job",
        &format!("{}  {}", one_line(&held.job.name), held.job.id),
    );
    let labels = held
        .job
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let labels = one_line(&labels.collect::<Vec<_>>().join(" "));
    if !labels.is_empty() {
        field("", &labels);
    }
    let gaps = if held.lineage.complete {
        ""
    } else {
        " (lineage incomplete)"
    };
    field(
        "process",
        &format!("{}{gaps}", programs(&held.lineage.execs)),
    );
    if let Some(leaf) = held.lineage.leaf() {
        field("", &command_line(leaf));
        field(
            "",
            &format!(
                "pid {}, uid {}, in {}",
                leaf.pid,
                leaf.uid,
                one_line(&leaf.cwd)
            ),
        );
    }
    field("to", &one_line(&held.destination));
    field("session", &held.session.to_string());
    let waits = duration(now.duration_since(held.asked));
    field(
        "asked",
        &format!("{}, waits for {waits}", date_time(held.asked)),
    );
    let left = paint.on(look::WAIT, &duration(held.expires.duration_since(now)));
    field("expires", &format!("in {left}; then it is refused"));
    field("needs", &one_line(&needs(held)));
    if let Some(message) = &held.terms.message {
        field("message", &one_line(message));
    }
    field(
        "digest",
        &format!("sha256:{}", one_line(&held.operation.digest)),
    );
    text.push('\n');
    for line in operation_text(&held.operation).lines() {
        text.push_str(&format!("    {}\n", paint.on(look::HEAD, &one_line(line))));
    }
    let facts = one_line(&facts(&held.operation));
    if !facts.is_empty() {
        text.push_str(&format!("    {}\n", paint.on(look::DIM, &facts)));
    }
    text.push('\n');
    text.push_str(&how_to_answer(held));
    text
}

fn needs(held: &Held) -> String {
    let agreed = match held.agreed.as_slice() {
        [] => "nobody agreed yet".to_owned(),
        people => format!("{} agreed", people.join(", ")),
    };
    let remembered = match held.terms.remember {
        Remember::Operation => "counts for this operation, once",
        Remember::Flow => "counts for the same operation again on this connection",
        Remember::Job => "counts for the same operation again in this job",
    };
    format!("{}; {agreed}; {remembered}", asked_of(&held.terms))
}

fn how_to_answer(held: &Held) -> String {
    let id = short_id(held.id);
    let reason = if held.terms.reason_required {
        " --reason TEXT"
    } else {
        ""
    };
    format!("  sluice approvals approve {id}{reason}\n  sluice approvals deny {id}{reason}\n")
}
