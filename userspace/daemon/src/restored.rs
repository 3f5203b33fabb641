//! Jobs of the daemon before this one: who lives goes on, who has ended meanwhile is cleared away.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sluice_capture::{JobCgroup, cgroup, lives};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::Enforcement;
use sluice_flow::{JobId, ProcessId};

use crate::config::Config;
use crate::jobs::{Jobs, Place};
use crate::leftovers::job_cgroups;
use crate::memory::{Kept, KeptPlace};

/// What was taken over at the start, as `sluice status` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Jobs that go on.
    pub(crate) jobs: usize,
    /// Whether the lineage is that of the daemon before.
    pub(crate) lineage: bool,
    /// Processes that were found anew, because nobody saw how they came to be.
    pub(crate) found: usize,
}

impl Jobs {
    /// Takes over the jobs of before, and takes the runners in. Gives how many of them go on, and
    /// those that ended meanwhile: known until what happened to them is on record.
    ///
    /// # Errors
    /// When a runner cannot be taken in, or the maps or the memory cannot be read. A job that
    /// cannot be taken over is said, and stays refused.
    pub(crate) fn restore(&self, config: &Config) -> anyhow::Result<(usize, Vec<Kept>)> {
        let before = match &self.memory {
            Some(memory) => memory.jobs()?,
            None => Vec::new(),
        };
        let mut runners: HashMap<JobId, Kept> = HashMap::new();
        let (mut live, mut over) = (0, Vec::new());
        for kept in before {
            match kept.place.clone() {
                KeptPlace::Runner { .. } => {
                    runners.insert(kept.job.id, kept);
                }
                KeptPlace::Own { cgroup, by } => match self.alive(&kept, &cgroup, by)? {
                    Some(cgroup) => live += usize::from(self.go_on(kept, cgroup, by)),
                    None => over.push(kept),
                },
            }
        }
        for runner in &config.runner {
            let same = |kept: &&Kept| {
                kept.job.name == runner.name && kept.place == KeptPlace::of_runner(runner)
            };
            let id = runners.values().find(same).map(|kept| kept.job.id);
            let kept = id.and_then(|id| runners.remove(&id));
            live += usize::from(kept.is_some());
            self.take_in(runner, kept)?;
        }
        for (id, kept) in runners {
            self.left_out(id, &kept)?;
        }
        self.clear_away_unknown()?;
        for kept in &over {
            match self.running_job(kept) {
                Ok(running) => self.running.add(kept.tag, Arc::new(running)),
                Err(error) => tracing::warn!(
                    job = %kept.job.id,
                    "what was refused to it meanwhile does not name it: {error:#}"
                ),
            }
        }
        Ok((live, over))
    }

    /// The cgroup of a job that lives. What is left of one that has ended is cleared away.
    fn alive(
        &self,
        kept: &Kept,
        path: &Path,
        by: Option<ProcessId>,
    ) -> anyhow::Result<Option<JobCgroup>> {
        let id = kept.job.id;
        let members = self.capture.has_members(kept.tag)?;
        match JobCgroup::at(path) {
            Ok(cgroup) => {
                let is_over = cgroup.is_empty() && !members && !by.is_some_and(lives);
                if !is_over {
                    return Ok(Some(cgroup));
                }
                self.capture.remove_runner(cgroup.id())?;
            }
            // Whoever ran it has ended it while no daemon was there.
            Err(_) if members => {
                tracing::warn!(job = %id, "what a job left that has ended is killed");
                self.capture.kill_members(kept.tag)?;
            }
            Err(_) => {}
        }
        tracing::info!(job = %id, name = %kept.job.name, "ended while the daemon was away");
        Ok(None)
    }

    /// False where it cannot: then it stays refused, and the next daemon may try again.
    fn go_on(&self, kept: Kept, cgroup: JobCgroup, by: Option<ProcessId>) -> bool {
        let (id, name) = (kept.job.id, kept.job.name.clone());
        let place = Place::Own { cgroup, by };
        match self.prepare(&kept, &place) {
            Ok(()) => {
                tracing::info!(job = %id, %name, "a job of before goes on");
                self.count_in(kept, place);
                true
            }
            Err(error) => {
                tracing::error!(job = %id, %name, "a job of before stays refused: {error:#}");
                self.running.remove(kept.tag);
                if let Place::Own { cgroup, .. } = place {
                    cgroup.leave();
                }
                false
            }
        }
    }

    /// A runner that `sluice.toml` does not name any more. What was tagged as its stays refused.
    fn left_out(&self, id: JobId, kept: &Kept) -> anyhow::Result<()> {
        if self.capture.has_members(kept.tag)? {
            tracing::warn!(
                runner = %kept.job.name, job = %id,
                "sluice.toml names this runner no more: its processes are refused until they end"
            );
        } else {
            self.forget(kept);
        }
        Ok(())
    }

    /// Empty cgroups of jobs that nobody knows any more.
    fn clear_away_unknown(&self) -> anyhow::Result<()> {
        let cgroups = job_cgroups(self.capture.cgroup_root());
        for (id, tag) in self.capture.runners()? {
            let unknown = tag != JobTag::PROBE && self.running.find(tag).is_none();
            let Some(path) = cgroups.get(&id).filter(|_| unknown) else {
                continue;
            };
            if cgroup::is_empty(path) && !self.capture.has_members(tag)? {
                self.capture.remove_runner(id)?;
                cgroup::remove(path)?;
            }
        }
        Ok(())
    }

    /// Processes that carry the tag of a job that is not known.
    fn strangers(&self) -> usize {
        let Ok(members) = self.capture.all_members() else {
            return 0;
        };
        let known = |tag| self.running.find(tag).is_some();
        let strangers = members.iter().filter(|actor| !known(actor.job));
        strangers.filter(|actor| lives(actor.process)).count()
    }

    /// What became of the jobs of before; nothing where there were none.
    pub(crate) fn told(&self, restored: &Restored) -> Vec<Enforcement> {
        let mut lines = Vec::new();
        let line = |what: &str, detail| Enforcement {
            what: what.to_owned(),
            enforced: true,
            detail,
        };
        if restored.jobs > 0 {
            let jobs = restored.jobs;
            lines.push(line(
                "jobs of before the start go on",
                told_of(jobs, restored),
            ));
        }
        let strangers = self.strangers();
        if strangers > 0 {
            let detail =
                format!("start their runner again; processes of such jobs at present: {strangers}");
            lines.push(line("jobs that nobody knows any more are refused", detail));
        }
        lines
    }
}

fn told_of(jobs: usize, restored: &Restored) -> String {
    match (restored.lineage, restored.found) {
        (true, 0) => format!("{jobs} of them, with the lineage that was known"),
        (_, found) => format!(
            "{jobs} of them; the lineage of some processes ({found}) was lost and is read from \
             /proc, so it is not complete: only rules that say `lineage: any` allow them anything"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_says_what_of_the_lineage_is_known() {
        let restored = |lineage, found| Restored {
            jobs: 2,
            lineage,
            found,
        };
        for (restored, says) in [
            (
                restored(true, 0),
                "2 of them, with the lineage that was known",
            ),
            (restored(true, 1), "(1) was lost"),
            (restored(false, 5), "lineage: any"),
        ] {
            let told = told_of(restored.jobs, &restored);
            assert!(told.contains(says), "{told}");
        }
    }
}
