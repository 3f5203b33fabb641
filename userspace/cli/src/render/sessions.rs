//! `sessions list`.

use sluice_flow::SessionSummary;
use sluice_flow::session::Outcome;

use super::chain::{place, process};
use super::event::names;
use crate::paper::{Cell, Paint, Table, date_time, look, short_id, shortened};

/// A table of sessions.
pub(crate) fn sessions(sessions: &[SessionSummary], paint: Paint) -> String {
    let mut table = Table::new(&[
        "SESSION",
        "OPENED",
        "JOB",
        "PROCESS",
        "DESTINATION",
        "PROTOCOL",
        "VERDICT",
        "",
        "OPS",
        "REFUSED",
        "MASKED",
        "RULES",
    ]);
    for session in sessions {
        let job = session.job.as_ref().map_or("", |job| &job.name);
        table.row(vec![
            Cell::new(short_id(session.id.0)),
            Cell::new(date_time(session.opened)).look(look::DIM),
            Cell::new(shortened(job, 24)),
            process_cell(session),
            Cell::new(shortened(&place(session.destination.as_ref()), 44)),
            Cell::new(shortened(&session.protocol, 12)),
            verdict(session),
            Cell::new(remark(session)).look(look::DIM),
            Cell::number(session.operations),
            Cell::number(session.refused).look(look::BAD),
            Cell::number(session.masked).look(look::MASK),
            Cell::new(names(&session.rules)),
        ]);
    }
    table.print(0, paint)
}

/// The process; one whose lineage has gaps is marked.
fn process_cell(session: &SessionSummary) -> Cell {
    let name = shortened(&process(session), 24);
    if session.lineage_complete {
        Cell::new(name)
    } else {
        Cell::new(format!("{name} ?")).look(look::WAIT)
    }
}

/// The verdict in its colour.
pub(super) fn verdict(session: &SessionSummary) -> Cell {
    let word = shortened(&session.verdict, 12);
    Cell::new(&word).look(look::verdict(&word))
}

/// What there is to say beside the verdict.
pub(super) fn remark(session: &SessionSummary) -> &'static str {
    match session.outcome {
        None => "open",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Aborted) => "aborted",
        Some(Outcome::Closed | Outcome::Refused)
            if session.refused > 0 && session.refused == session.refused_expected =>
        {
            "expected"
        }
        Some(Outcome::Closed | Outcome::Refused) => "",
    }
}
