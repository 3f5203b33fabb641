//! `run`: one call into the daemon crate, and the summary.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use nix::fcntl::OFlag;
use sluice_daemon::{NOT_STARTED, RunOptions, RunReport, run_job};
use sluice_flow::SessionSummary;

use super::daemon::log_to_stderr;
use crate::args::{Enter, Run};
use crate::environment;
use crate::failure::{hinted, told};
use crate::paper::{Paint, eprint};
use crate::render::{JobEnd, RefusedOperation, refused_operations, summary_markdown, summary_text};
use crate::source::Source;

/// Sessions whose refusals are told one by one; the others are in `sluice sessions list`.
const MAX_TOLD: usize = 10;

/// Exits with the job's status, and with 125 when nothing of it ran.
pub(crate) fn run(state: &Path, options: Run) -> ExitCode {
    let not_started = ExitCode::from(u8::try_from(NOT_STARTED).unwrap_or(1));
    log_to_stderr("warn");
    // Before the job runs: a job could put a link to some other file of ours in their place.
    let summaries = match Summaries::open(options.summary.as_deref()) {
        Ok(summaries) => summaries,
        Err(error) => return told(&error, not_started),
    };
    let (quiet, fail_on_deny) = (options.quiet, options.fail_on_deny);
    let report = job_options(state, options).and_then(run_job);
    let report = match report {
        Ok(report) => report,
        Err(error) => return told(&error, not_started),
    };
    let (refused, more_refused) = refusals(state, &report.sessions);
    let end = JobEnd {
        state: (state != sluice_daemon::default_state()).then_some(state),
        ..job_end(&report, &refused, more_refused)
    };
    if !quiet {
        eprint(&summary_text(&end, Paint::of_stderr()));
    }
    if let Err(error) = summaries.write(&summary_markdown(&end)) {
        told(&error, ExitCode::FAILURE);
    }
    let unexpected = report.sessions.iter().any(was_refused_unexpectedly);
    ExitCode::from(exit_code(report.status, fail_on_deny && unexpected))
}

/// Replaces this process by the job's command; 125 where it cannot.
pub(crate) fn enter(options: &Enter) -> ExitCode {
    match sluice_daemon::enter(&options.cgroup, options.user.as_deref(), &options.command) {
        Ok(never) => match never {},
        Err(error) => told(
            &error,
            ExitCode::from(u8::try_from(NOT_STARTED).unwrap_or(1)),
        ),
    }
}

fn job_options(state: &Path, options: Run) -> anyhow::Result<RunOptions> {
    let labels = options.labels();
    let secrets: anyhow::Result<Vec<String>> =
        options.secrets.iter().map(|name| secret(name)).collect();
    Ok(RunOptions {
        state: state.to_owned(),
        config: options.config,
        policies: options.policies,
        name: options.name,
        labels,
        secrets: secrets?,
        user: options.user,
        command: options.command,
    })
}

fn secret(name: &str) -> anyhow::Result<String> {
    environment::secret(name).map_err(|error| {
        hinted(
            format!("--secret {name}: {error}"),
            "set the variable where sluice runs (sudo drops most: use sudo --preserve-env=NAME)",
        )
    })
}

/// The job's status; where the job went well and should not have, 1.
fn exit_code(status: i32, fail: bool) -> u8 {
    match (status, fail) {
        (0, true) => 1,
        _ => u8::try_from(status).unwrap_or(1),
    }
}

fn was_refused_unexpectedly(session: &SessionSummary) -> bool {
    session.verdict == "deny" && session.refused > session.refused_expected
}

fn job_end<'a>(
    report: &'a RunReport,
    refused: &'a [RefusedOperation],
    more_refused: u64,
) -> JobEnd<'a> {
    let counters = report.gate.as_ref().map(|gate| gate.counters.as_slice());
    let lost = counters
        .unwrap_or_default()
        .iter()
        .filter(|(name, _)| name.contains("lost"));
    JobEnd {
        job: report.ticket.id,
        name: &report.name,
        status: report.status,
        sessions: &report.sessions,
        refused,
        more_refused,
        lost: lost.map(|(_, n)| *n).sum(),
        gone: report.gate.is_none(),
        state: None,
    }
}

/// What was refused, told one by one, and how much more there is. A summary is no reason to
/// fail: where the record cannot be read, the table still says how much was refused.
fn refusals(state: &Path, sessions: &[SessionSummary]) -> (Vec<RefusedOperation>, u64) {
    let refusing: Vec<&SessionSummary> = sessions.iter().filter(|s| s.refused > 0).collect();
    let all: u64 = refusing.iter().map(|session| session.refused).sum();
    if refusing.is_empty() {
        return (Vec::new(), 0);
    }
    let Ok(source) = Source::find(state) else {
        return (Vec::new(), all);
    };
    let mut found: Vec<RefusedOperation> = Vec::new();
    for session in refusing.iter().take(MAX_TOLD) {
        let events = source.events(session.id).unwrap_or_default();
        found.extend(refused_operations(session, &events));
    }
    found.truncate(MAX_TOLD);
    let told: u64 = refusing
        .iter()
        .take(MAX_TOLD)
        .map(|session| session.refused)
        .sum();
    let left = found
        .len()
        .checked_sub(MAX_TOLD)
        .map_or(all - told, |_| all - MAX_TOLD as u64);
    (found, left)
}

/// The files that get the summary as Markdown, open before the job could touch them.
struct Summaries(Vec<(PathBuf, File)>);

impl Summaries {
    fn open(asked: Option<&Path>) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        if let Some(path) = asked {
            let file = File::create(path);
            let file =
                file.with_context(|| format!("cannot write the summary {}", path.display()))?;
            files.push((path.to_owned(), file));
        }
        // Where the runner's own file cannot be had the job is none the worse.
        if let Some(path) = environment::step_summary() {
            match step_file(&path) {
                Ok(file) => files.push((path, file)),
                Err(error) => {
                    let path = path.display();
                    eprint(&format!("sluice: warning: no summary in {path}: {error}\n"));
                }
            }
        }
        Ok(Self(files))
    }

    fn write(self, markdown: &str) -> anyhow::Result<()> {
        for (path, mut file) in self.0 {
            let written = file.write_all(markdown.as_bytes());
            written.with_context(|| format!("cannot write the summary {}", path.display()))?;
        }
        Ok(())
    }
}

/// Opens the runner's file for appending; no link is followed, because an earlier step could
/// have made it, and sluice is root.
fn step_file(path: &Path) -> std::io::Result<File> {
    // A pipe that nobody reads would make us wait.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let file = options.append(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("it is no ordinary file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_jobs_own() {
        for (status, fail, want) in [
            (0, false, 0),
            (0, true, 1),
            (7, true, 7),
            (143, false, 143),
            (-1, false, 1),
        ] {
            assert_eq!(exit_code(status, fail), want);
        }
    }

    #[test]
    fn no_link_and_no_pipe_is_followed_for_a_step_summary() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        std::fs::write(&real, "before\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(step_file(&link).is_err());
        assert!(step_file(directory.path()).is_err());
        step_file(&real).unwrap().write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "before\nafter\n");
    }

    #[test]
    fn a_secret_that_is_not_set_is_named() {
        let error = secret("SLUICE_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.to_string().contains("SLUICE_NO_SUCH_VARIABLE"));
    }
}
