//! `sluice daemon`: a running gate as a service.

use std::path::Path;

use anyhow::{Context as _, bail};
use nix::sys::signal::{SigSet, Signal};
use sd_notify::NotifyState;
use sluice_capture::{Capture, cgroup};
use sluice_flow::ports::Control as _;

use crate::config::Config;
use crate::control::Tenancy;
use crate::memory::{KeptPlace, Memory};
use crate::running::Running;

/// Runs until SIGTERM or SIGINT; SIGHUP reads the policies again.
///
/// The kernel side stays in force when it ends: until a daemon is back, connections of jobs
/// are refused. `sluice daemon --unload` takes it down.
///
/// # Errors
/// When anything of it cannot be started; then the kernel side of a former daemon, where
/// there is one, goes on to refuse.
pub fn serve(config: Option<&Path>, state: &Path) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("sluice daemon needs root to attach to the kernel");
    }
    let config = Config::read(config)?;
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Before the first thread is made, so that every thread has them blocked.
    signals.thread_block().context("cannot block signals")?;
    let running = Running::start(state, config, Tenancy::Shared)?;
    for line in running.gatehouse.status().enforcement {
        match line.enforced {
            true => tracing::info!(what = %line.what, detail = %line.detail, "enforced"),
            false => tracing::warn!(what = %line.what, detail = %line.detail, "NOT ENFORCED"),
        }
    }
    notify(NotifyState::Ready);
    tracing::info!(state = %state.display(), "sluice is up");
    while signals.wait().context("cannot wait for signals")? == Signal::SIGHUP {
        match running.gatehouse.reload() {
            Ok(names) => tracing::info!(policies = names.len(), "policies read again"),
            Err(why) => tracing::error!("the old policies stay in force: {why}"),
        }
    }
    notify(NotifyState::Stopping);
    tracing::info!("sluice goes down: jobs go on, and until it is back all they ask is refused");
    drop(running);
    Ok(())
}

/// Takes down what a daemon left in force in the kernel, and ends the jobs of `sluice run` that
/// go on without it. Runners, which are not ours to end, are free then.
///
/// # Errors
/// When a daemon serves the state directory, or something could not be removed.
pub fn unload(state: &Path) -> anyhow::Result<()> {
    Capture::remove_leftovers(state, || end_jobs(state))?;
    Memory::remove(state)
}

/// Ends jobs while what they try is still refused.
fn end_jobs(state: &Path) -> anyhow::Result<()> {
    let Some(memory) = Memory::left_in(state)? else {
        return Ok(());
    };
    for kept in memory.jobs()? {
        if let KeptPlace::Own { cgroup, .. } = kept.place {
            tracing::info!(job = %kept.job.id, name = %kept.job.name, "ended");
            cgroup::remove(&cgroup)
                .with_context(|| format!("cannot remove {}", cgroup.display()))?;
        }
    }
    Ok(())
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
