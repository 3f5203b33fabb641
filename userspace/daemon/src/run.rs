//! `sluice run`: a command as a job, under the running daemon or an embedded one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_api::{Client, ClientError};
use sluice_flow::ports::{
    Control as _, JobRequest, JobTicket, Person, SessionFilter, Sessions as _, Status,
};
use sluice_flow::{Labels, SessionSummary};

use crate::config::Config;
use crate::control::Tenancy;
use crate::enter::find_user;
use crate::job_process::{JobProcess, Signals, exit_code};
use crate::running::{LOG, Running};

/// How long the flows of a job that ended may take to end.
const GRACE: Duration = Duration::from_secs(3);

/// What `sluice run` was asked for.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The state directory.
    pub state: PathBuf,
    /// `sluice.toml`, for an embedded daemon.
    pub config: Option<PathBuf>,
    /// Policy files; they narrow what the host's own allow.
    pub policies: Vec<PathBuf>,
    /// The pipeline's name.
    pub name: String,
    /// Labels that policies are chosen by.
    pub labels: Labels,
    /// Values that are masked wherever they appear.
    pub secrets: Vec<String>,
    /// Whom the job runs as; `None`: as we do.
    pub user: Option<String>,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// What became of a job.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// What a shell would see.
    pub status: i32,
    /// The job.
    pub ticket: JobTicket,
    /// Its name.
    pub name: String,
    /// Its sessions, oldest first.
    pub sessions: Vec<SessionSummary>,
    /// What was enforced when it ended, and the counters; `None` where the daemon went away
    /// in the middle.
    pub gate: Option<Status>,
}

/// Runs a command as a job.
///
/// # Errors
/// When the job could not be started; then nothing of it ran.
pub fn run_job(options: RunOptions) -> anyhow::Result<RunReport> {
    if !nix::unistd::geteuid().is_root() {
        bail!("sluice run needs root to attach to the kernel; try: sudo sluice run ...");
    }
    if let Some(user) = &options.user {
        find_user(user)?;
    }
    // Before the first thread is made, so that every thread has them blocked.
    let signals = Signals::block()?;
    let request = request(&options)?;
    let gate = Gate::find_or_start(&options)?;
    let ticket = gate.start_job(request)?;
    let ran = JobProcess::start(&ticket.cgroup, options.user.as_deref(), &options.command)
        .and_then(|process| process.wait(&signals));
    let ended = gate.end_job(&ticket);
    let status = exit_code(ran?);
    let name = options.name;
    if let Err(error) = ended {
        // The daemon went away in the middle. The kernel refused the rest; the job's own
        // status still counts, and what was recorded can be read without the daemon.
        tracing::error!("the daemon is gone: {error:#}");
        sluice_capture::cgroup::remove(&ticket.cgroup).context("cannot remove the job's cgroup")?;
        let log = sluice_store::Store::open_read(&options.state.join(LOG))?;
        let sessions = log.list(&filter(&ticket))?;
        return Ok(RunReport {
            status,
            ticket,
            name,
            sessions,
            gate: None,
        });
    }
    let (sessions, status_of_gate) = (gate.sessions(&ticket)?, gate.status()?);
    Ok(RunReport {
        status,
        ticket,
        name,
        sessions,
        gate: Some(status_of_gate),
    })
}

fn filter(ticket: &JobTicket) -> SessionFilter {
    SessionFilter {
        job: Some(ticket.id.to_string()),
        ..SessionFilter::default()
    }
}

fn request(options: &RunOptions) -> anyhow::Result<JobRequest> {
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the policy {}", file.display()))?;
        Ok((file.display().to_string(), text))
    };
    let policies: anyhow::Result<Vec<_>> = options.policies.iter().map(read).collect();
    Ok(JobRequest {
        name: options.name.clone(),
        labels: options.labels.clone(),
        secrets: options.secrets.clone(),
        policies: policies?,
    })
}

/// The gate that a job runs behind.
enum Gate {
    /// The daemon that serves the state directory.
    Daemon(Box<Daemon>),
    /// One of our own, for as long as the job runs.
    Embedded(Box<Running>),
}

struct Daemon {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Gate {
    fn find_or_start(options: &RunOptions) -> anyhow::Result<Self> {
        if let Some(daemon) = Daemon::find(&options.state)? {
            if options.config.is_some() {
                bail!(
                    "a daemon serves {}: it has its own configuration, leave --config away",
                    options.state.display()
                );
            }
            return Ok(Self::Daemon(Box::new(daemon)));
        }
        let config = Config::read(options.config.as_deref())?;
        Ok(Self::Embedded(Box::new(Running::start(
            &options.state,
            config,
            Tenancy::OneJob,
        )?)))
    }

    fn start_job(&self, request: JobRequest) -> anyhow::Result<JobTicket> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.ask(daemon.client.start_job(&request))?),
            Self::Embedded(running) => running
                .gatehouse
                .start_job(request, &caller()?, std::process::id())
                .map_err(anyhow::Error::msg),
        }
    }

    fn end_job(&self, ticket: &JobTicket) -> anyhow::Result<()> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.ask(daemon.client.end_job(ticket.id, GRACE))?),
            Self::Embedded(running) => running
                .gatehouse
                .end_job(ticket.id, GRACE)
                .map_err(anyhow::Error::msg),
        }
    }

    fn sessions(&self, ticket: &JobTicket) -> anyhow::Result<Vec<SessionSummary>> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.ask(daemon.client.sessions(&filter(ticket)))?),
            Self::Embedded(running) => Ok(running.store.list(&filter(ticket))?),
        }
    }

    fn status(&self) -> anyhow::Result<Status> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.ask(daemon.client.status())?),
            Self::Embedded(running) => Ok(running.gatehouse.status()),
        }
    }
}

impl Daemon {
    /// The daemon of this state directory; `None` where none answers.
    fn find(state: &Path) -> anyhow::Result<Option<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot make a runtime")?;
        match runtime.block_on(Client::connect(state)) {
            Ok(client) => Ok(Some(Self { runtime, client })),
            Err(error) if error.no_daemon() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        self.runtime.block_on(request)
    }
}

/// Who started the job: the person behind sudo where there is one.
fn caller() -> anyhow::Result<Person> {
    let behind_sudo = std::env::var("SUDO_UID")
        .ok()
        .and_then(|uid| uid.parse().ok());
    let uid = behind_sudo.unwrap_or_else(|| nix::unistd::getuid().as_raw());
    let name = nix::unistd::User::from_uid(uid.into())
        .context("cannot look up the user")?
        .map_or_else(|| uid.to_string(), |user| user.name);
    Ok(Person {
        uid,
        name,
        groups: Vec::new(),
    })
}
