use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Runs so many programs that do nothing, one after the other.
pub(super) fn run(count: u32) -> anyhow::Result<Value> {
    let begun = Instant::now();
    for _ in 0..count {
        let status = Command::new("/bin/true").status();
        if !status.context("cannot run /bin/true")?.success() {
            bail!("/bin/true failed");
        }
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    Ok(json!({ "each": micros / f64::from(count), "work": count }))
}
