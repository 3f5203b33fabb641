use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use sluice_flow::ports::{SessionFilter, Sessions as _};
use sluice_flow::{Job, JobId};
use sluice_policy::{HostDefault, PolicyName, PolicySet, Source as Text};

use super::policy_files::sources;
use super::policy_test;
use crate::args::{PolicyCommand, ShowPolicy};
use crate::failure::hinted;
use crate::paper::{Cell, Paint, Table, count, eprint, look, one_line, print, print_json};
use crate::source::{Daemon, Source, log};

pub(crate) fn run(state: &Path, command: PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check { strict, files } => check(sources(&files)?, strict),
        PolicyCommand::Test { files } => policy_test::run(&files),
        PolicyCommand::Schema => schema(),
        PolicyCommand::Show(options) => show(state, &options),
        PolicyCommand::Explain { session } => explain(state, &session),
    }
}

fn schema() -> anyhow::Result<ExitCode> {
    print(&format!("{:#}\n", sluice_policy::schema()))?;
    Ok(ExitCode::SUCCESS)
}

/// Errors and lints go to standard error, as a compiler's. An error fails; a lint where asked.
fn check(sources: Vec<Text>, strict: bool) -> anyhow::Result<ExitCode> {
    let files = u64::try_from(sources.len())?;
    let (found, errors) = match load(sources) {
        Ok(set) => {
            let lints = sluice_policy::check(&set);
            (lints.into_iter().map(|lint| lint.diagnostic).collect(), 0)
        }
        Err(wrong) => {
            let errors = wrong.errors.len();
            (wrong.errors, errors)
        }
    };
    for diagnostic in &found {
        eprint(&format!("{diagnostic}\n"));
    }
    let (errors, warnings) = (u64::try_from(errors)?, u64::try_from(found.len() - errors)?);
    let said = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    print(&format!("{} checked: {said}\n", count(files, "policy")))?;
    Ok(if errors > 0 || (strict && warnings > 0) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Checks policies together, with the users of this host.
pub(super) fn load(sources: Vec<Text>) -> Result<PolicySet, sluice_policy::PolicyErrors> {
    let uid = |name: &str| {
        let user = nix::unistd::User::from_name(name).ok().flatten();
        user.map(|user| user.uid.as_raw())
    };
    PolicySet::load_on(sources, HostDefault::Deny, &uid)
}

/// A policy, as `--json` prints it.
#[derive(Serialize)]
struct Shown {
    policy: String,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl From<PolicyName> for Shown {
    fn from(name: PolicyName) -> Self {
        Self {
            policy: name.name,
            digest: name.digest,
            layer: Some(name.layer.word().to_owned()),
            file: Some(name.file),
        }
    }
}

fn show(state: &Path, options: &ShowPolicy) -> anyhow::Result<ExitCode> {
    let shown: Vec<Shown> = match (options.files.is_empty(), &options.job) {
        (true, None) => of_daemon(state)?,
        (true, Some(job)) => of_job(state, job)?,
        (false, _) => of_files(options)?,
    };
    if options.output.json {
        print_json(shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    if shown.is_empty() {
        print("no policy applies: the job gets the host default, everything is refused\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["LAYER", "POLICY", "DIGEST", "FILE"]);
    for policy in shown {
        table.row(vec![
            Cell::new(one_line(&policy.layer.unwrap_or_default())),
            Cell::new(one_line(&policy.policy)).look(look::HEAD),
            Cell::new(one_line(&policy.digest)).look(look::DIM),
            Cell::new(one_line(&policy.file.unwrap_or_default())),
        ]);
    }
    print(&table.print(0, Paint::of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn of_daemon(state: &Path) -> anyhow::Result<Vec<Shown>> {
    let daemon = Daemon::find(state)?;
    let status = daemon.wait(daemon.client.status())?;
    let shown = |(policy, digest)| Shown {
        policy,
        digest,
        layer: None,
        file: None,
    };
    Ok(status.policies.into_iter().map(shown).collect())
}

/// The log tells what applied to a job, also while it runs, and after.
fn of_job(state: &Path, job: &str) -> anyhow::Result<Vec<Shown>> {
    let log = log(state)?;
    let filter = SessionFilter {
        job: Some(job.to_owned()),
        limit: Some(1),
        ..SessionFilter::default()
    };
    let Some(newest) = log.list(&filter)?.pop() else {
        return Err(hinted(
            format!("no session of a job `{job}` is recorded"),
            "`sluice sessions list` shows jobs by name and id; name policy files to see what would \
             apply to a job",
        ));
    };
    let (at, summary) = (newest.opened, newest.job);
    let summary = summary.context("the session has no job")?;
    let job = Job {
        id: summary.id,
        name: summary.name,
        labels: summary.labels,
        uid: 0,
    };
    let policy = sluice_daemon::policy_of(&log, &job, at)?;
    Ok(policy.policies().into_iter().map(Shown::from).collect())
}

fn of_files(options: &ShowPolicy) -> anyhow::Result<Vec<Shown>> {
    let set = load(sources(&options.files)?).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let labels = options.labels.iter().cloned();
    let job = Job {
        id: JobId::new(),
        name: options.job.clone().unwrap_or_else(|| "run".to_owned()),
        labels: labels.map(|label| (label.key, label.value)).collect(),
        uid: 0,
    };
    Ok(set
        .for_job(&job)
        .policies()
        .into_iter()
        .map(Shown::from)
        .collect())
}

/// By the policies that decided, which the log has.
fn explain(state: &Path, session: &str) -> anyhow::Result<ExitCode> {
    let source = Source::find(state)?;
    let id = source.choose(session)?;
    let text = match &source {
        Source::Daemon(daemon) => daemon.wait(daemon.client.explain(id))?,
        Source::Log(log, _) => sluice_daemon::explain(log, &source.events(id)?)?,
    };
    let lines = text.lines().map(|line| format!("{}\n", one_line(line)));
    print(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}
