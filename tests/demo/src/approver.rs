//! The second actor: somebody of the dba group, who looks at what waits and answers.

use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use sluice_harness::binary;

/// A user that every Debian has; `sluice.toml` of the demo puts it into the group dba.
pub(crate) const APPROVER: &str = "backup";

/// Waits for a held operation, looks at it, approves it. Gives what they saw.
pub(crate) fn start(state: PathBuf) -> JoinHandle<anyhow::Result<Value>> {
    std::thread::spawn(move || {
        let begun = Instant::now();
        loop {
            if let Some(held) = as_approver(&state, &["approvals", "list", "--json"])?
                .lines()
                .next()
            {
                let held: Value = serde_json::from_str(held)?;
                let id = held
                    .get("id")
                    .and_then(Value::as_str)
                    .context("a request without id")?;
                let reason = "migration 42 was reviewed";
                as_approver(&state, &["approvals", "approve", id, "--reason", reason])?;
                return Ok(held);
            }
            if begun.elapsed() > Duration::from_secs(40) {
                bail!("nothing was held for approval");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    })
}

fn as_approver(state: &PathBuf, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("setpriv")
        .args([
            &format!("--reuid={APPROVER}"),
            &format!("--regid={APPROVER}"),
            "--clear-groups",
            "--",
        ])
        .arg(binary()?)
        .arg("--state")
        .arg(state)
        .args(arguments)
        .output()
        .context("cannot run setpriv")?;
    if !output.status.success() {
        bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
