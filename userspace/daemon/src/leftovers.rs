//! What gates that were killed left on the host.

use std::collections::HashMap;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use sluice_capture::{Capture, cgroup};
use sluice_flow::kernel::JobTag;

/// Ends the jobs of gates that were killed. A gate that goes with its own job takes the kernel
/// side with it, and would set free what they left running.
///
/// # Errors
/// When something of them stays, or a runner of a daemon that was killed still runs: that is
/// a CI agent, and nothing to kill.
pub(crate) fn end_stale_jobs(capture: &Capture) -> anyhow::Result<()> {
    let cgroups = job_cgroups(capture.cgroup_root());
    for (id, job) in capture.runners()? {
        if job == JobTag::PROBE {
            continue;
        }
        if let Some(path) = cgroups.get(&id) {
            tracing::warn!(cgroup = %path.display(), "what a job left whose gate was killed is ended");
            if !capture.kill_members(job)? {
                bail!(
                    "what an earlier job left in {} cannot be killed",
                    path.display()
                );
            }
            cgroup::remove(path)?;
        } else if capture.has_members(job)? {
            bail!(
                "a daemon that was killed had runners, which this job's end would set free: start \
                 `sluice daemon`, take them out with `sluice daemon --unload`, or give this job a \
                 --state of its own"
            );
        }
        capture.remove_runner(id)?;
    }
    Ok(())
}

/// Cgroups that were made for jobs, by id.
pub(crate) fn job_cgroups(root: &Path) -> HashMap<u64, PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let of_jobs = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name.starts_with("sluice.job-"))
    });
    of_jobs.map(|entry| (entry.ino(), entry.path())).collect()
}

/// Removes the cgroups of probes whose daemon was killed.
pub(crate) fn remove_stale_probes(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("sluice.probe-"));
        let is_stale = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_stale && let Err(error) = cgroup::remove(&entry.path()) {
            tracing::warn!(%error, cgroup = %entry.path().display(), "a stale cgroup stays");
        }
    }
}
