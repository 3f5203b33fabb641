use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use sluice_store::{Options, Store, verify};

use crate::args::StoreCommand;
use crate::paper::{count, eprint, print, print_json};
use crate::render;
use crate::source::{log, log_directory};

pub(crate) fn run(state: &Path, command: StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Verify(output) => check(state, output.json),
        StoreCommand::Notes { limit, output } => notes(state, limit, output.json),
        StoreCommand::Rebuild => rebuild(state),
    }
}

/// Fails where the log is not whole.
fn check(state: &Path, json: bool) -> anyhow::Result<ExitCode> {
    // Says in the words of the command line what is missing, where there is no log.
    log(state)?;
    let report = verify(&log_directory(state))?;
    if json {
        print_json([&report])?;
    } else {
        print(&format!("{report}\n"))?;
    }
    Ok(if report.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn notes(state: &Path, limit: usize, json: bool) -> anyhow::Result<ExitCode> {
    let notes = log(state)?.notes(limit)?;
    if json {
        print_json(&notes)?;
    } else {
        let lines = notes.iter().map(render::note);
        print(&lines.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rebuild(state: &Path) -> anyhow::Result<ExitCode> {
    log(state)?;
    eprint("reading the whole log ...\n");
    let store = Store::open(&log_directory(state), Options::default())?;
    let rebuilt = store
        .rebuild_index()
        .context("cannot make the index anew")?;
    let (records, sessions) = (rebuilt.records, rebuilt.sessions);
    print(&format!(
        "the index is new: {} from {}\n",
        count(sessions, "closed session"),
        count(records, "record"),
    ))?;
    Ok(ExitCode::SUCCESS)
}
