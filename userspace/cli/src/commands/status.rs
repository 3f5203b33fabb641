use std::path::Path;
use std::process::ExitCode;

use crate::paper::{Paint, print, print_json};
use crate::render;
use crate::source::Daemon;

/// Fails where the gate is shut: what is not enforced and cannot be is said, not failed on.
pub(crate) fn run(state: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let daemon = Daemon::find(state)?;
    let status = daemon.wait(daemon.client.status())?;
    if json {
        print_json([&status])?;
    } else {
        print(&render::status(&status, Paint::of_stdout()))?;
    }
    Ok(if status.open {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
