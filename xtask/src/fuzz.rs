//! Fuzzing: build the targets once, run each from the corpus that is kept in the repository.
//!
//! To add a target, add `tests/fuzz/targets/NAME.rs`, a `[[bin]]` for it in
//! `tests/fuzz/Cargo.toml`, and at least one seed in `tests/fuzz/corpus/NAME/`.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::process::Run;
use crate::repo::Repo;
use crate::setup::{self, Need, Show};

/// How many targets run at once.
const AT_ONCE: usize = 2;
/// A fuzzer that has not stopped this long after its time hangs.
const GRACE: Duration = Duration::from_secs(120);
/// One input that takes longer is a finding.
const SECONDS_FOR_ONE: u32 = 10;
/// A target that needs more memory is a finding.
const MEGABYTES: u32 = 2048;
/// Coverage needs unstable options of rustc. This lets the pinned stable toolchain take them, so
/// that no second one is needed.
const UNSTABLE_OPTIONS: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");
/// No input is longer: what is found in a long one is found in a short one sooner.
const LONGEST_INPUT: u32 = 4096;
const NO_SANITIZER: &str = "none";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What to fuzz, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The target; all of them when none is named.
    target: Option<String>,
    /// For each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Built in. What is fuzzed has no `unsafe`, and without a sanitizer twice as many inputs run
    /// in the same time; `address` watches the C code below it.
    #[arg(long, default_value = NO_SANITIZER, value_parser = [NO_SANITIZER, "address"])]
    sanitizer: String,
    /// Put inputs that reach new code into the corpus of the repository.
    #[arg(long)]
    keep: bool,
}

/// How a target ran, in the fuzzer's own words.
#[derive(Clone, Debug)]
pub(crate) struct Fuzzed {
    target: String,
    runs: String,
}

pub(crate) fn run(repo: &Repo, options: &Options) -> Result<()> {
    setup::run(repo, Need::Test, Show::WhatIsDone)?;
    let known = targets(repo)?;
    let chosen = match &options.target {
        None => known,
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => bail!(
            "there is no target `{name}`; there are {}",
            known.join(", ")
        ),
    };
    build(repo, &chosen, &options.sanitizer)?;
    let mut found = 0;
    for result in run_targets(repo, &chosen, options.seconds) {
        if let Err(error) = result {
            println!("{error:#}");
            found += 1;
        }
    }
    if options.keep {
        for target in &chosen {
            keep(repo, target)?;
        }
    }
    if found > 0 {
        bail!("{found} of {} targets found something", chosen.len());
    }
    Ok(())
}

/// Every target for as long; one result each.
pub(crate) fn all_targets(repo: &Repo, seconds: u64) -> Result<Vec<Result<Fuzzed>>> {
    let targets = targets(repo)?;
    build(repo, &targets, NO_SANITIZER)?;
    Ok(run_targets(repo, &targets, seconds))
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    bin: Vec<Bin>,
}

#[derive(Deserialize)]
struct Bin {
    name: String,
}

/// Names from the manifest of the fuzz workspace; none when there is no such workspace.
pub(crate) fn targets(repo: &Repo) -> Result<Vec<String>> {
    let path = repo.path("tests/fuzz/Cargo.toml");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(manifest.bin.into_iter().map(|bin| bin.name).collect())
}

fn build(repo: &Repo, targets: &[String], sanitizer: &str) -> Result<()> {
    // The fuzz workspace has no lock file of its own: what is fuzzed is what is shipped.
    let lock = repo.path("Cargo.lock");
    fs::copy(&lock, repo.path("tests/fuzz/Cargo.lock")).context("copying Cargo.lock")?;
    let one = match targets {
        [one] => Some(one.as_str()),
        _ => None,
    };
    Run::new(repo.tools().join("bin/cargo-fuzz"), repo.root())
        .args([
            "fuzz",
            "build",
            "--fuzz-dir",
            "tests/fuzz",
            "--sanitizer",
            sanitizer,
            "--target-dir",
        ])
        .args([build_dir(repo)])
        .args(one)
        .env(UNSTABLE_OPTIONS.0, UNSTABLE_OPTIONS.1)
        .stream()
}

fn build_dir(repo: &Repo) -> PathBuf {
    repo.target().join("fuzz")
}

fn program(repo: &Repo, target: &str) -> PathBuf {
    build_dir(repo).join(TRIPLE).join("release").join(target)
}

/// Where a run puts new inputs, so that it changes nothing that is kept.
fn new_inputs(repo: &Repo, target: &str) -> PathBuf {
    build_dir(repo).join("new").join(target)
}

fn corpus(repo: &Repo, target: &str) -> PathBuf {
    repo.path("tests/fuzz/corpus").join(target)
}

fn run_targets(repo: &Repo, targets: &[String], seconds: u64) -> Vec<Result<Fuzzed>> {
    let waiting = Mutex::new(targets.iter());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(targets.len()) {
            scope.spawn(|| {
                loop {
                    let next = locked(&waiting).next();
                    let Some(target) = next else { return };
                    let result = run_target(repo, target, seconds);
                    if let Ok(Fuzzed { target, runs }) = &result {
                        println!("fuzz {target}: {runs}");
                    }
                    locked(&results).push(result);
                }
            });
        }
    });
    results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run_target(repo: &Repo, target: &str, seconds: u64) -> Result<Fuzzed> {
    let new = new_inputs(repo, target);
    let artifacts = repo.path("tests/fuzz/artifacts").join(target);
    for folder in [&new, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let corpus = corpus(repo, target);
    if !corpus.is_dir() {
        bail!("fuzz {target}: no seeds: there is no {}", corpus.display());
    }
    let dictionary = repo
        .path("tests/fuzz/dictionaries")
        .join(format!("{target}.txt"));
    let dictionary = dictionary
        .is_file()
        .then(|| format!("-dict={}", dictionary.display()));
    let log = build_dir(repo).join(format!("{target}.log"));
    let ended = Run::new(program(repo, target), repo.root())
        .args([&new, &corpus])
        .args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={SECONDS_FOR_ONE}"),
        ])
        .args([
            format!("-rss_limit_mb={MEGABYTES}"),
            format!("-max_len={LONGEST_INPUT}"),
        ])
        .args([format!("-artifact_prefix={}/", artifacts.display())])
        .args(dictionary)
        .limit(Duration::from_secs(seconds) + GRACE)
        .capture(&log, false)?;
    if !ended.success {
        bail!(
            "fuzz {target} found something; see {}\n{}",
            log.display(),
            finding(&ended.output)
        );
    }
    let runs = ended.output.lines().rfind(|line| line.starts_with("Done "));
    Ok(Fuzzed {
        target: target.to_owned(),
        runs: runs.unwrap_or("no count").to_owned(),
    })
}

/// What the target said when it broke, and where the input is.
fn finding(output: &str) -> String {
    let panic = output
        .lines()
        .skip_while(|line| !line.contains("panicked at"))
        .take(6);
    let mut said: Vec<_> = panic
        .filter(|line| !line.starts_with("stack backtrace"))
        .collect();
    let end = last(output, 4);
    said.push(&end);
    said.join("\n")
}

fn last(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    let skipped = all.len().saturating_sub(lines);
    all.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

/// Those of the new inputs that reach code that the corpus does not: the fewest, and not those
/// that only reach it another number of times, so that the repository stays small.
fn keep(repo: &Repo, target: &str) -> Result<()> {
    let log = build_dir(repo).join(format!("{target}.merge.log"));
    let run = Run::new(program(repo, target), repo.root())
        .args(["-set_cover_merge=1", "-use_counters=0"])
        .args([corpus(repo, target), new_inputs(repo, target)]);
    let ended = run.capture(&log, false)?;
    if !ended.success {
        bail!(
            "merging new inputs of {target} failed; see {}",
            log.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_a_source_and_seeds() {
        let repo = Repo::find().unwrap();
        let targets = targets(&repo).unwrap();
        for target in targets {
            let source = repo.path("tests/fuzz/targets").join(format!("{target}.rs"));
            assert!(source.is_file(), "{}", source.display());
            let seeds = corpus(&repo, &target).read_dir().unwrap().count();
            assert!(seeds > 0, "{target} has no seeds");
        }
    }

    #[test]
    fn a_finding_is_quoted_with_its_panic_and_its_input() {
        let frames = "   7: frame\n".repeat(30);
        let output =
            format!("#1 INITED\nthread 'x' panicked at a.rs:1:\nwhy\n{frames}Base64: AA==\n");
        let found = finding(&output);
        assert!(
            found.contains("\nwhy\n") && found.ends_with("Base64: AA=="),
            "{found}"
        );
        assert!(!found.contains("INITED"));
        assert!(finding("killed\n").contains("killed"));
    }

    #[test]
    fn the_last_lines_are_the_end() {
        assert_eq!(last("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last("a\n", 5), "a");
    }
}
