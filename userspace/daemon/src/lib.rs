//! Wires the parts into a running gate: configuration, signals, privileges. No logic.

mod config;
mod control;
mod desk;
mod ending;
mod enter;
mod explain;
mod heart;
mod host;
mod job_process;
mod jobs;
mod kernel;
mod leftovers;
mod memory;
mod policies;
mod probe;
mod restored;
mod run;
mod runner_watch;
mod runners;
mod running;
mod service;
mod status;
mod units;
mod worker;

pub use config::Config;
pub use enter::{NOT_STARTED, enter};
pub use explain::{PolicyLog, explain, policy_of};
pub use probe::answer_tries;
pub use run::{RunOptions, RunReport, run_job};
pub use running::default_state;
pub use service::{serve, unload};
