//! `status`.

use sluice_flow::ports::Status;

use crate::paper::{Cell, Paint, Table, count, look, one_line};

/// The state of the gate, hook by hook.
pub(crate) fn status(status: &Status, paint: Paint) -> String {
    let gate = if status.open {
        paint.on(look::GOOD, "open: connections of jobs go through it")
    } else {
        paint.on(look::BAD, "shut: connections of jobs are refused")
    };
    let version = one_line(&status.version);
    let mut text = format!("sluice {version}, pid {}: the gate is {gate}\n", status.pid);
    let flows = count(status.flows, "open connection");
    let jobs = u64::try_from(status.jobs.len()).unwrap_or(u64::MAX);
    text.push_str(&format!("{}, {flows}\n\n", count(jobs, "job")));
    text.push_str(&enforcement(status, paint));
    if !status.jobs.is_empty() {
        text.push('\n');
        let mut table = Table::new(&["JOB", "ID", "LABELS"]);
        for job in &status.jobs {
            let labels = job
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"));
            let labels = one_line(&labels.collect::<Vec<_>>().join(" "));
            let (name, id) = (one_line(&job.name), job.id.to_string());
            table.row(vec![Cell::new(name), Cell::new(id), Cell::new(labels)]);
        }
        text.push_str(&table.print(0, paint));
    }
    text.push('\n');
    text.push_str(&pairs(["POLICY", "DIGEST"], &status.policies, paint));
    if status.policies.is_empty() {
        text.push_str("no policies: every job gets the host default\n");
    }
    let counted = status.counters.iter().filter(|(_, n)| *n > 0);
    let counted: Vec<_> = counted
        .map(|(name, n)| (name.replace('_', " "), n.to_string()))
        .collect();
    if !counted.is_empty() {
        text.push('\n');
        text.push_str(&pairs(["COUNTER", "SINCE START"], &counted, paint));
    }
    text
}

fn enforcement(status: &Status, paint: Paint) -> String {
    let mut table = Table::new(&["", "ENFORCED", "HOW THAT IS KNOWN, OR WHAT TO DO"]);
    for line in &status.enforcement {
        let (mark, look) = if line.enforced {
            ("yes", look::GOOD)
        } else {
            ("NO", look::BAD)
        };
        table.row(vec![
            Cell::new(mark).look(look),
            Cell::new(one_line(&line.what)),
            Cell::new(one_line(&line.detail)),
        ]);
    }
    table.print(0, paint)
}

fn pairs(headings: [&str; 2], pairs: &[(String, String)], paint: Paint) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&headings);
    for (name, value) in pairs {
        table.row(vec![
            Cell::new(one_line(name)),
            Cell::new(one_line(value)).look(look::DIM),
        ]);
    }
    table.print(0, paint)
}
