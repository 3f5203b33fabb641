use std::path::Path;
use std::process::ExitCode;

use crate::args::{ListSessions, SessionsCommand};
use crate::paper::{Paint, print, print_json};
use crate::render;
use crate::source::Source;

use super::follow::follow;

pub(crate) fn run(state: &Path, command: SessionsCommand) -> anyhow::Result<ExitCode> {
    let source = Source::find(state)?;
    match command {
        SessionsCommand::List(options) => list(&source, &options)?,
        SessionsCommand::Show { id, output } => show(&source, &id, output.json)?,
        SessionsCommand::Follow(options) => follow(&source, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(source: &Source, options: &ListSessions) -> anyhow::Result<()> {
    let sessions = source.list(&options.asked())?;
    if options.output.json {
        return print_json(sessions);
    }
    if sessions.is_empty() {
        return print("no sessions\n");
    }
    print(&render::sessions(&sessions, Paint::of_stdout()))
}

fn show(source: &Source, id: &str, json: bool) -> anyhow::Result<()> {
    let events = source.events(source.choose(id)?)?;
    if json {
        return print_json(events);
    }
    match render::summarised(&events) {
        Some(summary) => print(&render::transcript(&summary, &events, Paint::of_stdout())),
        None => Ok(()),
    }
}
