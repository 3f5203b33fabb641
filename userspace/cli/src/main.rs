//! The `sluice` command: parses its line, asks for one thing, prints the answer.

mod args;
mod choose;
mod commands;
mod environment;
mod failure;
mod paper;
mod render;
mod source;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    let Cli { state, command } = Cli::parse();
    let done = match command {
        Command::Run(run) => return commands::run::run(&state, run),
        Command::Enter(enter) => return commands::run::enter(&enter),
        Command::Probe => sluice_daemon::answer_tries().map(|()| ExitCode::SUCCESS),
        Command::Daemon(daemon) => commands::daemon::run(&state, &daemon),
        Command::Status(output) => commands::status::run(&state, output.json),
        Command::Sessions(command) => commands::sessions::run(&state, command),
        Command::Lineage(lineage) => commands::lineage::run(&state, &lineage),
        Command::Approvals(command) => commands::approvals::run(&state, command),
        Command::Policy(command) => commands::policy::run(&state, command),
        Command::Reload => commands::daemon::reload(&state),
        Command::Store(command) => commands::store::run(&state, command),
        Command::Completions { shell } => commands::shell::completions(shell),
        Command::Man { directory } => commands::shell::man(&directory),
    };
    done.unwrap_or_else(|error| failure::told(&error, ExitCode::FAILURE))
}
