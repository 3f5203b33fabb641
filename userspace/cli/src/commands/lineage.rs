use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use sluice_flow::ports::SessionFilter;
use sluice_flow::summary::DestinationSummary;
use sluice_flow::{Exec, ExecId, SessionId, SessionSummary};
use std::sync::Arc;

use crate::args::Lineage;
use crate::choose::Wanted;
use crate::failure::hinted;
use crate::paper::{Paint, print, print_json};
use crate::render;
use crate::source::Source;

/// One session's chain, as `--json` prints it.
#[derive(Serialize)]
struct Chain<'a> {
    session: SessionId,
    destination: Option<&'a DestinationSummary>,
    protocol: &'a str,
    verdict: &'a str,
    lineage_complete: bool,
    lineage: &'a [Arc<Exec>],
}

pub(crate) fn run(state: &Path, options: &Lineage) -> anyhow::Result<ExitCode> {
    let source = Source::find(state)?;
    let sessions = chosen(&source, &options.of)?;
    if options.output.json {
        print_json(sessions.iter().map(chain))?;
    } else {
        print(&render::tree(&sessions, Paint::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The sessions of a session id, an exec id, or a job.
fn chosen(source: &Source, of: &str) -> anyhow::Result<Vec<SessionSummary>> {
    if let Ok(exec) = of.parse::<ExecId>() {
        let mut all = source.list(&SessionFilter::default())?;
        all.retain(|session| session.lineage.iter().any(|link| link.id == exec));
        return some(all, || {
            format!("no session of the process {exec} or of its children")
        });
    }
    let of_job = source.list(&SessionFilter {
        job: Some(of.to_owned()),
        ..SessionFilter::default()
    })?;
    if !of_job.is_empty() {
        return Ok(of_job);
    }
    let wanted = Wanted::of(of).map_err(|_| {
        hinted(
            format!("`{of}` is no session, no process and no job"),
            "`sluice sessions list` shows sessions and jobs, `sluice lineage` of one its processes",
        )
    })?;
    let all = source.list(&SessionFilter::default())?;
    let id = wanted.among("session", all.iter().map(|session| session.id.0))?;
    let found = all
        .into_iter()
        .filter(|session| session.id.0 == id)
        .collect();
    some(found, || format!("there is no session {id}"))
}

fn some(
    found: Vec<SessionSummary>,
    missing: impl FnOnce() -> String,
) -> anyhow::Result<Vec<SessionSummary>> {
    if found.is_empty() {
        anyhow::bail!(missing());
    }
    Ok(found)
}

fn chain(session: &SessionSummary) -> Chain<'_> {
    Chain {
        session: session.id,
        destination: session.destination.as_ref(),
        protocol: &session.protocol,
        verdict: &session.verdict,
        lineage_complete: session.lineage_complete,
        lineage: &session.lineage,
    }
}
