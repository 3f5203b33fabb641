use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Json, Label};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policy files: errors, and what their author hardly wants
    Check {
        /// Fail on warnings too
        #[arg(long)]
        strict: bool,
        /// Policy files, or directories of them
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
    },
    /// Run the cases that stand beside policies
    ///
    /// Cases in NAME.test.yaml are run against NAME.yaml beside it; where there is no such
    /// file, against all policies of the directory together.
    Test {
        /// Policies or their test files, or directories of them
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of policies, for editors
    Schema,
    Show(ShowPolicy),
    /// Which rule decided each operation of a session, and why the others did not
    Explain {
        /// Id of the session: whole, or its start or end
        session: String,
    },
}

/// Policies that apply to a job, with their digests
///
/// With files: which of them would apply to a job of that name and labels. Without: those that
/// applied to the newest recorded job of that id or name, or all that the daemon has in force.
#[derive(Debug, Args)]
pub(crate) struct ShowPolicy {
    /// The job: its id or name; with files the name of a pipeline, `run` unless given
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Label of the job; with files only
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "files")]
    pub(crate) labels: Vec<Label>,
    /// Policy files, or directories of them
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Json,
}
