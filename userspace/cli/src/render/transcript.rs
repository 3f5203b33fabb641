//! `sessions show`: a session from its first event to its last.

use sluice_flow::{Event, SessionSummary};

use super::chain::{place, programs};
use super::event::{Told, WORD, names, outcome_word, tell};
use crate::paper::{Paint, bytes, clock, date_time, duration, look, one_line};

/// The fold of a session's events; none where there are none.
pub(crate) fn summarised(events: &[Event]) -> Option<SessionSummary> {
    let first = events.first()?;
    let mut summary = SessionSummary::new(first.session, first.at);
    events.iter().for_each(|event| summary.apply(event));
    Some(summary)
}

/// The header, and every event with its number.
pub(crate) fn transcript(summary: &SessionSummary, events: &[Event], paint: Paint) -> String {
    let mut text = header(summary, paint);
    text.push('\n');
    let mut current = None;
    for event in events {
        let told = tell(&event.kind);
        let about = told.about.filter(|about| current != Some(*about));
        text.push_str(&numbered(event, &told, about, paint));
        if matches!(event.kind, sluice_flow::EventKind::Operation(_)) {
            current = Some(event.seq);
        }
    }
    text
}

/// One event: its number, its time, its word, its lines. `about` names the operation that it
/// belongs to where that is not the one above it.
fn numbered(event: &Event, told: &Told, about: Option<u64>, paint: Paint) -> String {
    let mut text = format!(
        "{}  {}  {}",
        paint.on(look::DIM, &format!("{:>5}", event.seq)),
        paint.on(look::DIM, &clock(event.at)),
        paint.on(told.look, &format!("{:<WORD$}", told.word)),
    );
    for (n, (look, line)) in told.lines.iter().enumerate() {
        if n > 0 {
            text.push_str(&" ".repeat(5 + 2 + 12 + 2 + WORD));
        }
        if !line.is_empty() {
            text.push_str("  ");
            text.push_str(&paint.on(*look, line));
        }
        if n == 0
            && let Some(about) = about
        {
            text.push_str(&paint.on(look::DIM, &format!("  (of {about})")));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    if told.lines.is_empty() {
        text.push('\n');
    }
    text
}

fn header(summary: &SessionSummary, paint: Paint) -> String {
    let mut text = format!("{} {}\n", paint.on(look::HEAD, "session"), summary.id);
    let mut field = |name: &str, value: String| {
        text.push_str(&format!(
            "  {}{value}\n",
            paint.on(look::DIM, &format!("{name:<10}"))
        ));
    };
    if let Some(job) = &summary.job {
        let labels = job
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let labels = labels.collect::<Vec<_>>().join(" ");
        let line = format!("{}  {}  {}", one_line(&job.name), job.id, one_line(&labels));
        field("job", line.trim_end().to_owned());
    }
    field("process", behind(summary, paint));
    if let Some(leaf) = summary.lineage.last() {
        let line = format!(
            "pid {}, uid {}, in {}",
            leaf.pid,
            leaf.uid,
            one_line(&leaf.cwd)
        );
        field("", line);
    }
    field("to", to(summary));
    field("opened", times(summary));
    let verdict = paint.on(look::verdict(&summary.verdict), &one_line(&summary.verdict));
    field(
        "verdict",
        format!("{verdict}  {}", names(&summary.rules))
            .trim_end()
            .to_owned(),
    );
    let (up, down) = (bytes(summary.bytes_up), bytes(summary.bytes_down));
    field("bytes", format!("{up} up, {down} down"));
    text
}

fn behind(summary: &SessionSummary, paint: Paint) -> String {
    let chain = programs(&summary.lineage);
    match (chain.is_empty(), summary.lineage_complete) {
        (true, _) => paint.on(look::WAIT, "not known"),
        (false, true) => chain,
        (false, false) => format!("{chain} {}", paint.on(look::WAIT, "(lineage incomplete)")),
    }
}

fn to(summary: &SessionSummary) -> String {
    let ip = summary
        .destination
        .as_ref()
        .filter(|to| to.host.is_some())
        .map(|to| to.ip);
    let ip = ip.map(|ip| format!(" ({ip})")).unwrap_or_default();
    let place = place(summary.destination.as_ref());
    format!("{place}{ip}, {}", one_line(&summary.protocol))
}

fn times(summary: &SessionSummary) -> String {
    let opened = date_time(summary.opened);
    match (summary.closed, summary.outcome) {
        (Some(closed), Some(outcome)) => {
            let after = duration(closed.duration_since(summary.opened));
            format!("{opened}, {} after {after}", outcome_word(outcome))
        }
        _ => format!("{opened}, still open"),
    }
}
