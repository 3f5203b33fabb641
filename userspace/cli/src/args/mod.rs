//! The command line: one definition for parsing, help, man pages and completions.

mod policy;
mod run;
mod sessions;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use policy::{PolicyCommand, ShowPolicy};
pub(crate) use run::{Label, Run};
pub(crate) use sessions::{FollowSessions, ListSessions, SessionsCommand};

/// Gate for what CI jobs do on the network.
///
/// Every outbound connection of a job goes through sluice, which knows the processes behind
/// it and what it asks for, and allows, holds for approval, masks or refuses each operation,
/// and writes down what happened.
///
/// Exit status: 0 as asked; 1 it failed, or something is not as it should be; 2 the command
/// line is wrong; `sluice run` exits with the job's own status, and with 125 when the job
/// could not be started: then nothing of it ran.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// State directory: the session log, and the socket of the daemon that writes it
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = sluice_daemon::default_state())]
    pub(crate) state: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    /// Enforce as a service, until SIGTERM; SIGHUP reads the policies again
    Daemon(Daemon),
    /// What is enforced at present, hook by hook, proved by a probe
    Status(Json),
    /// What jobs did
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// The processes behind a session, or behind all sessions of a process or a job
    Lineage(Lineage),
    /// Operations that wait for people
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Write, check and understand policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Have the daemon read its policies again; a set with an error is refused whole
    Reload,
    /// The session log
    #[command(subcommand)]
    Store(StoreCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages
    #[command(hide = true)]
    Man {
        /// Where to
        directory: PathBuf,
    },
    /// The last step before a job's command
    #[command(hide = true)]
    Enter(Enter),
    /// The daemon's own probe
    #[command(hide = true)]
    Probe,
}

#[derive(Debug, Args)]
pub(crate) struct Daemon {
    /// Configuration; without it /etc/sluice/sluice.toml where there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take down what a daemon that has ended left in force in the kernel, and exit
    #[arg(long, conflicts_with = "config")]
    pub(crate) unload: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Json {
    /// Print JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Lineage {
    /// Id of a session (whole, or its start or end), an exec id, or id or name of a job
    #[arg(value_name = "SESSION|EXEC|JOB")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) output: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits, oldest first
    List(Json),
    /// One request: what would be sent, its digest, and who asks
    Show {
        /// Id of the request: whole, or its start or end
        id: String,
        #[command(flatten)]
        output: Json,
    },
    /// Let an operation go on
    Approve(Answer),
    /// Refuse an operation
    Deny(Answer),
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Id of the request: whole, or its start or end
    pub(crate) id: String,
    /// Why; kept in the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Check every record and the chain between them
    Verify(Json),
    /// What happened to the daemon: starts, stops, policies, what was lost or only counted
    Notes {
        /// The newest so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        output: Json,
    },
    /// Make the index anew from the log; the daemon must not run
    Rebuild,
}

#[derive(Debug, Args)]
pub(crate) struct Enter {
    #[arg(long)]
    pub(crate) cgroup: PathBuf,
    #[arg(long)]
    pub(crate) user: Option<String>,
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

#[cfg(test)]
mod tests;
