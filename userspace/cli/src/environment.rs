//! What this command takes from its environment, all of it: everything else is an argument.

use std::env::{var, var_os};
use std::path::PathBuf;

/// Whether colours are wanted (no-color.org; a `dumb` terminal shows none).
pub(crate) fn colours_wanted() -> bool {
    let refused = var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// The file that a step of GitHub Actions appends its Markdown to.
pub(crate) fn step_summary() -> Option<PathBuf> {
    let file = var_os("GITHUB_STEP_SUMMARY")?;
    (!file.is_empty()).then(|| file.into())
}

/// The value of a variable that the command line names.
pub(crate) fn secret(name: &str) -> Result<String, std::env::VarError> {
    var(name)
}

/// What of the daemon's own doings is logged: `info` unless `SLUICE_LOG` says otherwise.
pub(crate) fn log_filter(unless_set: &str) -> String {
    var("SLUICE_LOG").unwrap_or_else(|_| unless_set.to_owned())
}
