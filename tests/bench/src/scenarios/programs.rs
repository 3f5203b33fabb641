//! Programs that measure one crate by itself: examples of this build.

use std::process::Command;

use anyhow::{Context as _, ensure};
use sluice_harness::binary;

use crate::findings::Findings;

/// What the example printed; `None`: it was not built, and that is noted.
pub(super) fn run(
    name: &str,
    package: &str,
    findings: &mut Findings,
) -> anyhow::Result<Option<String>> {
    let own = std::env::current_exe()?;
    let sluice = binary()?;
    let found = [own, sluice]
        .iter()
        .filter_map(|program| program.parent())
        .map(|folder| folder.join("examples").join(name))
        .find(|program| program.is_file());
    let Some(program) = found else {
        findings.gap(format!(
            "{package} by itself: not built; cargo build --release -p {package} --example {name}"
        ));
        return Ok(None);
    };
    let output = Command::new(&program)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{name}: {}", output.status);
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}
