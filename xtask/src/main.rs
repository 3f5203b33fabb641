//! `cargo xtask`: everything that a person or CI runs on this repository.

mod build;
mod fuzz;
mod gate;
mod layers;
mod process;
mod repo;
mod setup;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// Set up, build, show, test and measure sluice.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing: Debian packages, toolchain components, tools in .tools.
    Setup,
    /// Part of `setup` that runs as root: install the named Debian packages.
    #[command(hide = true)]
    InstallDebian { packages: Vec<String> },
    /// Build the `sluice` binary with the kernel programs inside it.
    Build(build::Profile),
    /// Set up, build, and run the demo.
    Demo(build::Profile),
    /// Set up, build for release, and measure sluice beside its peers.
    Bench {
        /// Passed on to the bench, after `--`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the whole gate; the last line is `N passed, N failed, N skipped`.
    Test(gate::Options),
    /// Check the house rules that no compiler checks.
    Tidy,
    /// Prove that the crates use one another only in the direction of ARCHITECTURE.md.
    Layers,
    /// Fuzz one target, or all of them, from the corpus that is kept here.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let repo = Repo::find()?;
    match task {
        Task::Setup => setup::run(&repo, setup::Need::Everything, setup::Show::EachThing)?,
        Task::InstallDebian { packages } => setup::debian::install_as_root(&packages)?,
        Task::Build(profile) => build::build(&repo, profile)?,
        Task::Demo(profile) => build::demo(&repo, profile)?,
        Task::Bench { args } => build::bench(&repo, &args)?,
        Task::Test(options) => return gate::run(&repo, &options),
        Task::Tidy => return tidy::run(&repo),
        Task::Layers => return layers::run(&repo),
        Task::Fuzz(options) => fuzz::run(&repo, &options)?,
    }
    Ok(ExitCode::SUCCESS)
}
