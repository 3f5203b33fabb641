//! The gate: every check there is, one after the other, and what they said.
//!
//! To add a step, add a row to `steps::STEPS`.

mod libtest;
mod outcome;
mod skips;
mod steps;
mod summary;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::repo::Repo;
use crate::setup::{self, Need, Show};
use outcome::Outcome;
use skips::Skips;
use steps::{STEPS, Step};

/// How to run the gate.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Run this step alone; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Leave this step out; may be given several times.
    #[arg(long, value_name = "STEP")]
    skip_step: Vec<String>,
    /// Ten seconds for each fuzz target instead of a minute.
    #[arg(long)]
    quick: bool,
    /// Show what the steps write while they run.
    #[arg(long)]
    verbose: bool,
    /// Name the steps and do nothing.
    #[arg(long)]
    list: bool,
    /// Take it that set-up was done.
    #[arg(long)]
    no_setup: bool,
}

/// What a step may use.
pub(crate) struct Gate<'a> {
    repo: &'a Repo,
    options: &'a Options,
}

/// A step that was run.
struct Done {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
}

pub(crate) fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    let chosen = chosen(options)?;
    if options.list {
        for step in chosen {
            println!("{:10} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let skips = Skips::read(repo)?;
    if !options.no_setup {
        setup::run(repo, Need::Test, Show::WhatIsDone)?;
    }
    let gate = Gate { repo, options };
    let done: Vec<_> = chosen
        .into_iter()
        .map(|step| run_step(&gate, step, &skips))
        .collect();
    let totals = summary::print(&done);
    Ok(if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(options: &Options) -> Result<Vec<&'static Step>> {
    for name in options.only.iter().chain(&options.skip_step) {
        if !STEPS.iter().any(|step| step.name == name) {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step `{name}`; there are {}", known.join(", "));
        }
    }
    let names = |list: &[String], step: &Step| list.iter().any(|name| name == step.name);
    let wanted = STEPS.iter().filter(|step| {
        (options.only.is_empty() || names(&options.only, step)) && !names(&options.skip_step, step)
    });
    Ok(wanted.collect())
}

/// A step that cannot run counts as one that failed: the others still run.
fn run_step(gate: &Gate<'_>, step: &'static Step, skips: &Skips) -> Done {
    println!("--- {}: {}", step.name, step.about);
    let started = Instant::now();
    let outcome = (step.run)(gate).unwrap_or_else(|error| Outcome::failed(format!("{error:#}")));
    let outcome = skips.judge(outcome);
    let done = Done {
        name: step.name,
        took: started.elapsed(),
        outcome,
    };
    println!("    {}", summary::line(&done));
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str], skip: &[&str]) -> Result<Vec<&'static str>> {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let options = Options {
            only: owned(only),
            skip_step: owned(skip),
            ..Options::default()
        };
        Ok(chosen(&options)?
            .into_iter()
            .map(|step| step.name)
            .collect())
    }

    #[test]
    fn all_steps_are_run_in_order_unless_told_otherwise() {
        let all: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names(&[], &[]).unwrap(), all);
        assert_eq!(names(&["tidy", "fmt"], &[]).unwrap(), ["fmt", "tidy"]);
        assert!(!names(&[], &["fuzz"]).unwrap().contains(&"fuzz"));
    }

    #[test]
    fn an_unknown_step_is_an_error_that_names_the_known_ones() {
        let error = names(&["tests"], &[]).unwrap_err().to_string();
        assert!(
            error.contains("`tests`") && error.contains("clippy"),
            "{error}"
        );
    }

    #[test]
    fn a_step_that_cannot_run_has_failed() {
        let step: &'static Step = &Step {
            name: "x",
            about: "breaks",
            run: |_| bail!("no such thing"),
        };
        let repo = Repo::find().unwrap();
        let options = Options::default();
        let gate = Gate {
            repo: &repo,
            options: &options,
        };
        let done = run_step(&gate, step, &Skips::default());
        assert_eq!((done.outcome.passed, done.outcome.failed), (0, 1));
        assert!(done.outcome.tail.contains("no such thing"));
    }
}
