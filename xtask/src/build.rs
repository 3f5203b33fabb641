//! Building the product, and running the two programs that show it: the demo and the bench.

use anyhow::{Result, bail};
use clap::Args;

use crate::process::Run;
use crate::repo::Repo;
use crate::setup::{self, Need, Show};
use crate::workspace::Workspace;

/// The program that tells the product's story.
pub(crate) const DEMO: &str = "sluice-demo";
/// The program that measures.
const BENCH: &str = "sluice-bench";

/// Examples that measure what has no peer, by their packages: the bench runs them.
const MEASURING_EXAMPLES: [(&str, &str); 2] = [
    ("sluice-masking", "throughput"),
    ("sluice-policy", "decide"),
];

/// Which of cargo's profiles to build with.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Optimise fully. Without it the build is the one that the tests use, too.
    #[arg(long)]
    release: bool,
}

impl Profile {
    pub(crate) const TESTED: Self = Self { release: false };
    const RELEASE: Self = Self { release: true };

    /// Cargo's name for the folder below `target`.
    pub(crate) fn dir(self) -> &'static str {
        if self.release { "release" } else { "debug" }
    }

    fn args(self) -> &'static [&'static str] {
        if self.release { &["--release"] } else { &[] }
    }
}

pub(crate) fn build(repo: &Repo, profile: Profile) -> Result<()> {
    setup::run(repo, Need::Build, Show::WhatIsDone)?;
    build_packages(repo, profile, &["sluice"])?;
    println!("built {}", repo.binary("sluice", profile.dir()).display());
    Ok(())
}

pub(crate) fn demo(repo: &Repo, profile: Profile) -> Result<()> {
    require_package(repo, DEMO)?;
    setup::run(repo, Need::Demo, Show::WhatIsDone)?;
    build_packages(repo, profile, &["sluice", DEMO])?;
    run_demo(repo, profile).stream()
}

/// The demo, ready to start as root.
pub(crate) fn run_demo(repo: &Repo, profile: Profile) -> Run {
    Run::new(repo.binary(DEMO, profile.dir()), repo.root())
        .envs(repo.environment(profile.dir()))
        .with_root()
}

pub(crate) fn bench(repo: &Repo, args: &[String]) -> Result<()> {
    require_package(repo, BENCH)?;
    setup::run(repo, Need::Bench, Show::WhatIsDone)?;
    build_packages(repo, Profile::RELEASE, &["sluice", BENCH])?;
    build_examples(repo, &MEASURING_EXAMPLES)?;
    Run::new(repo.binary(BENCH, Profile::RELEASE.dir()), repo.root())
        .args(args)
        .envs(repo.environment(Profile::RELEASE.dir()))
        .with_root()
        .stream()
}

fn build_packages(repo: &Repo, profile: Profile, packages: &[&str]) -> Result<()> {
    Run::cargo(repo.root())
        .args(["build", "--locked"])
        .args(profile.args())
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stream()
}

fn build_examples(repo: &Repo, examples: &[(&str, &str)]) -> Result<()> {
    for (package, example) in examples {
        Run::cargo(repo.root())
            .args(["build", "--locked", "--release", "--package", package])
            .args(["--example", example])
            .stream()?;
    }
    Ok(())
}

fn require_package(repo: &Repo, name: &str) -> Result<()> {
    if Workspace::members(repo)?.member(name).is_none() {
        bail!("the workspace has no package `{name}` yet");
    }
    Ok(())
}
