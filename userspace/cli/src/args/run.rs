use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// Run a command as a job behind the gate
///
/// Under the daemon of the state directory where one runs, else under one of its own for as
/// long as the job lasts. Streams, terminal, signals and exit status are the job's. At the end
/// a summary goes to standard error, and as Markdown to --summary or $GITHUB_STEP_SUMMARY.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Policy file; several may be given, and each can only narrow what the host allows
    #[arg(long = "policy", value_name = "FILE")]
    pub(crate) policies: Vec<PathBuf>,
    /// Name of the pipeline
    #[arg(long, default_value = "run", value_name = "PIPELINE")]
    pub(crate) name: String,
    /// Label that policies are chosen by: repository, ref, job, ...
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<Label>,
    /// Environment variable whose value is masked wherever it appears
    #[arg(long = "secret", value_name = "ENVVAR")]
    pub(crate) secrets: Vec<String>,
    /// Run the job as this user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Configuration, where no daemon runs
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write the summary as Markdown to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Fail where something was refused that no policy expects
    #[arg(long)]
    pub(crate) fail_on_deny: bool,
    /// Print no summary to standard error
    #[arg(long)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl Run {
    /// Labels by key; the last of several for one key counts.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let pairs = self.labels.iter().cloned();
        pairs.map(|Label { key, value }| (key, value)).collect()
    }
}

/// `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self {
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("expected KEY=VALUE, as in --set ref=refs/heads/main".to_owned()),
        }
    }
}
