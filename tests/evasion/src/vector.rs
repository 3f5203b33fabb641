use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sluice_harness::{Job, Sluice};

use crate::sink::Sink;

/// The Python of the vectors: Debian's own, so that its lineage is the interpreter and nothing else.
#[must_use]
pub fn python() -> &'static str {
    let debian = "/usr/bin/python3";
    if Path::new(debian).exists() {
        debian
    } else {
        "python3"
    }
}

/// Where a vector is.
#[must_use]
pub fn vector(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.join("vectors").join(name).with_extension("py")
}

/// The root of cgroup v2 on this host.
#[must_use]
pub fn cgroup_root() -> &'static str {
    let hybrid = "/sys/fs/cgroup/unified";
    if Path::new(hybrid).exists() {
        hybrid
    } else {
        "/sys/fs/cgroup"
    }
}

/// The command line of a vector.
#[must_use]
pub fn vector_line(name: &str, to: SocketAddr, word: &str, more: &[String]) -> Vec<String> {
    let vector = vector(name).to_string_lossy().into_owned();
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    // -B: no __pycache__ beside the vectors.
    let line = [python(), "-B", &vector, &host, &port, word].map(str::to_owned);
    line.into_iter().chain(more.iter().cloned()).collect()
}

fn command_line(name: &str, sink: &Sink, word: &str, more: &[&str]) -> Vec<String> {
    let more: Vec<String> = more.iter().map(|it| (*it).to_owned()).collect();
    vector_line(name, (sink.address(), sink.port()).into(), word, &more)
}

/// What a vector, or the last process of it, said last.
#[must_use]
pub fn outcome(output: &str) -> String {
    output.lines().last().unwrap_or_default().to_owned()
}

/// Runs a vector without protection; gives what it said.
///
/// # Errors
/// When Python cannot be executed.
pub fn direct(name: &str, sink: &Sink, word: &str, more: &[&str]) -> anyhow::Result<String> {
    run(&command_line(name, sink, word, more))
}

/// The same to an address.
///
/// # Errors
/// When Python cannot be executed.
pub fn direct_to(
    name: &str,
    to: SocketAddr,
    word: &str,
    more: &[String],
) -> anyhow::Result<String> {
    run(&vector_line(name, to, word, more))
}

fn run(line: &[String]) -> anyhow::Result<String> {
    let (program, arguments) = line.split_first().context("a vector")?;
    let output = Command::new(program).args(arguments).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = outcome(&String::from_utf8_lossy(&output.stdout));
    Ok(if said.is_empty() {
        errors.into_owned()
    } else {
        said
    })
}

/// Runs a vector as a job under `policy`.
///
/// # Errors
/// When sluice cannot be executed.
pub fn job(
    sluice: &Sluice,
    policy: &str,
    name: &str,
    sink: &Sink,
    word: &str,
    more: &[&str],
) -> anyhow::Result<Job> {
    let line = command_line(name, sink, word, more);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    sluice.run_with(policy, &[], &line)
}
