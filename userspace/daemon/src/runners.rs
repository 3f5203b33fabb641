//! The runners of `sluice.toml`: each is taken in whenever its cgroup comes, for as long as the
//! daemon runs. A unit that is started again gets a new cgroup, which the kernel side must know.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::bail;
use parking_lot::Mutex;
use sluice_capture::{Capture, Root};
use sluice_flow::kernel::JobTag;
use sluice_flow::ports::Enforcement;
use sluice_flow::{Job, JobId};

use crate::config::Runner;
use crate::jobs::{Jobs, Place};
use crate::memory::{Kept, KeptPlace};
use crate::units::unit_cgroup;

/// All of them.
pub(crate) type Runners = Mutex<Vec<Taken>>;

/// A runner and what of it the kernel side knows.
pub(crate) struct Taken {
    runner: Runner,
    tag: JobTag,
    /// Where its processes are or will be; or why that cannot be said.
    cgroup: Result<PathBuf, String>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// All that is or comes into the cgroup with this id is a member.
    In(u64),
    /// It has no cgroup: nothing of it runs.
    Absent,
    /// It has one that could not be registered.
    Failed(String),
}

impl Jobs {
    /// Makes members of what runs in a runner's cgroup, now and later. As long as the boot lasts
    /// it is one job, however often the daemon or the runner is started: `before` is what it was.
    ///
    /// # Errors
    /// When its cgroup is there and cannot be registered. It is none that it is not there.
    pub(crate) fn take_in(&self, runner: &Runner, before: Option<Kept>) -> anyhow::Result<()> {
        let (tag, id) = match before {
            Some(kept) => (kept.tag, kept.job.id),
            None => (self.new_tag(), JobId::new()),
        };
        let job = Job {
            id,
            name: runner.name.clone(),
            labels: runner.labels.clone(),
            uid: 0,
        };
        let kept = Kept {
            tag,
            job,
            secrets: Vec::new(),
            policies: Vec::new(),
            names: Vec::new(),
            place: KeptPlace::of_runner(runner),
        };
        self.take_on(kept, Place::Runner)?;
        let mut taken = Taken {
            runner: runner.clone(),
            tag,
            cgroup: cgroup_of(runner, self.capture.cgroup_root()),
            state: State::Absent,
        };
        taken.look(&self.capture);
        if let State::Failed(why) = &taken.state {
            bail!("runner `{}`: {why}", runner.name);
        }
        self.runners.lock().push(taken);
        Ok(())
    }

    /// Takes in the cgroups that have come, and forgets those that have gone.
    pub(crate) fn look_at_runners(&self) {
        for taken in self.runners.lock().iter_mut() {
            taken.look(&self.capture);
        }
    }

    /// Whether `sluice.toml` names a runner.
    pub(crate) fn has_runners(&self) -> bool {
        !self.runners.lock().is_empty()
    }

    /// Asks systemd anew where the units are: one may have been given another slice.
    pub(crate) fn ask_for_units(&self) {
        let runners = self.runners.lock();
        let of_unit = |taken: &&Taken| taken.runner.unit.is_some();
        let asked = runners.iter().filter(of_unit);
        let asked: Vec<_> = asked.map(|t| (t.tag, t.runner.clone())).collect();
        // systemctl may take its time, and the cgroups are looked at meanwhile.
        drop(runners);
        for (tag, runner) in asked {
            let told = cgroup_of(&runner, self.capture.cgroup_root());
            let mut runners = self.runners.lock();
            let taken = runners.iter_mut().find(|taken| taken.tag == tag);
            // Where it was is the best guess as long as systemd does not say.
            if let Some(taken) = taken.filter(|taken| told.is_ok() || taken.cgroup.is_err()) {
                taken.cgroup = told;
            }
        }
    }

    /// The directories in which something must appear before a runner's cgroup is there, each
    /// after the one that it is in.
    pub(crate) fn above_runners(&self) -> Vec<PathBuf> {
        let root = self.capture.cgroup_root();
        let runners = self.runners.lock();
        let cgroups = runners
            .iter()
            .filter_map(|taken| taken.cgroup.as_ref().ok());
        cgroups.flat_map(|cgroup| above(cgroup, root)).collect()
    }

    /// What `sluice status` says of each.
    pub(crate) fn runners_told(&self) -> Vec<Enforcement> {
        self.runners.lock().iter().map(Taken::told).collect()
    }
}

impl Taken {
    /// Takes in what has come; what has gone is forgotten.
    fn look(&mut self, capture: &Capture) {
        let there = self.cgroup.as_deref().ok().and_then(id_of);
        let state = match (there, self.cgroup.as_deref()) {
            (Some(id), _) if self.state == State::In(id) => return,
            (Some(id), Ok(path)) => match capture.add_runner(path, self.tag, Root::Joining) {
                Ok(()) => State::In(id),
                Err(error) => State::Failed(error.to_string()),
            },
            _ => State::Absent,
        };
        if state == self.state {
            return;
        }
        self.state = state;
        self.log();
        if let Err(error) = forget_gone(capture, self.tag) {
            tracing::warn!(runner = %self.runner.name, "cgroups that are gone stay registered: {error:#}");
        }
    }

    fn log(&self) {
        let Enforcement { detail, .. } = self.told();
        let runner = &self.runner.name;
        match &self.state {
            State::In(_) => tracing::info!(%runner, %detail, "enforced"),
            State::Absent => tracing::warn!(%runner, %detail, "not there any more"),
            State::Failed(_) => tracing::error!(%runner, %detail, "NOT ENFORCED"),
        }
    }

    fn told(&self) -> Enforcement {
        let place = self.runner.place();
        let detail = match (&self.state, &self.cgroup) {
            (State::In(_), Ok(cgroup)) => format!("all that is in or below {}", cgroup.display()),
            (State::In(_), Err(_)) => format!("{place}: taken in"),
            (State::Failed(why), _) => format!("{place}: NOT taken in: {why}"),
            (State::Absent, Ok(cgroup)) => format!(
                "{place} is not there: there is no {}; it is taken in when it comes",
                cgroup.display()
            ),
            (State::Absent, Err(why)) => format!("{place} cannot be found: {why}"),
        };
        Enforcement {
            what: format!("runner {}", self.runner.name),
            enforced: matches!(self.state, State::In(_)),
            detail,
        }
    }
}

fn cgroup_of(runner: &Runner, root: &Path) -> Result<PathBuf, String> {
    let path = match (&runner.unit, &runner.cgroup) {
        (Some(unit), _) => unit_cgroup(unit).map_err(|error| format!("{error:#}"))?,
        (None, Some(cgroup)) => cgroup.clone(),
        (None, None) => return Err("sluice.toml gives neither `unit` nor `cgroup`".to_owned()),
    };
    Ok(root.join(path.strip_prefix("/").unwrap_or(&path)))
}

/// The directories from the root to the one that a cgroup is in.
fn above(cgroup: &Path, root: &Path) -> Vec<PathBuf> {
    let above = cgroup.ancestors().skip(1);
    let mut above: Vec<_> = above
        .take_while(|directory| directory.starts_with(root))
        .map(Path::to_owned)
        .collect();
    above.reverse();
    above
}

/// A cgroup's id is the inode number of its directory; a directory that is made anew has another.
fn id_of(path: &Path) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_dir().then(|| metadata.ino())
}

/// Takes what was registered for a job and has no cgroup any more out of the kernel's table, which
/// would fill up. One that is somewhere else now stays a member's.
fn forget_gone(capture: &Capture, tag: JobTag) -> anyhow::Result<()> {
    let registered = capture.runners()?.into_iter();
    let of_runner: Vec<_> = registered.filter(|(_, of)| *of == tag).collect();
    if of_runner.is_empty() {
        return Ok(());
    }
    let mut there = HashSet::new();
    ids_below(capture.cgroup_root(), &mut there)?;
    for (id, _) in of_runner {
        if !there.contains(&id) {
            capture.remove_runner(id)?;
        }
    }
    Ok(())
}

/// The ids of all cgroups below one. Some go while we look.
fn ids_below(path: &Path, ids: &mut HashSet<u64>) -> io::Result<()> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if is_gone(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = match entry {
            Err(error) if is_gone(&error) => return Ok(()),
            entry => entry?,
        };
        if entry.file_type()?.is_dir() {
            ids.insert(entry.ino());
            ids_below(&entry.path(), ids)?;
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(cgroup: Result<&str, &str>, state: State) -> Taken {
        Taken {
            runner: Runner {
                name: "github".to_owned(),
                unit: Some("agent.service".to_owned()),
                cgroup: None,
                labels: sluice_flow::Labels::default(),
            },
            tag: JobTag(7),
            cgroup: cgroup.map(PathBuf::from).map_err(str::to_owned),
            state,
        }
    }

    #[test]
    fn status_says_of_a_runner_whether_it_is_enforced_and_why_not() {
        let there = Ok("/c/agent.service");
        let failed = || State::Failed("too deep".to_owned());
        for (cgroup, state, enforced, says) in [
            (there, State::In(1), true, "in or below /c/agent.service"),
            (Err("no systemctl"), State::In(1), true, "taken in"),
            (
                there,
                State::Absent,
                false,
                "unit agent.service is not there",
            ),
            (
                there,
                State::Absent,
                false,
                "no /c/agent.service; it is taken in",
            ),
            (
                Err("no systemctl"),
                State::Absent,
                false,
                "found: no systemctl",
            ),
            (there, failed(), false, "NOT taken in: too deep"),
        ] {
            let told = taken(cgroup, state).told();
            assert_eq!(told.what, "runner github");
            assert_eq!(told.enforced, enforced, "{}", told.detail);
            assert!(told.detail.contains(says), "{}", told.detail);
        }
    }

    #[test]
    fn what_is_above_a_cgroup_begins_at_the_root() {
        let root = Path::new("/sys/fs/cgroup");
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let nested = above(&root.join("ci.slice/a/b"), root);
        let all = [
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/ci.slice",
            "/sys/fs/cgroup/ci.slice/a",
        ];
        assert_eq!(nested, paths(&all));
        assert_eq!(above(&root.join("agent"), root), paths(&all[..1]));
        assert_eq!(above(root, root), paths(&[]));
    }

    #[test]
    fn a_directory_has_an_id_and_what_is_gone_or_a_file_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let (nested, file) = (directory.path().join("a/b"), directory.path().join("f"));
        assert_eq!(id_of(&nested), None);
        std::fs::create_dir_all(&nested).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(id_of(&file), None);
        let ids = [id_of(&directory.path().join("a")), id_of(&nested)].map(Option::unwrap);
        let mut below = HashSet::new();
        ids_below(directory.path(), &mut below).unwrap();
        assert_eq!(below, HashSet::from(ids));
        ids_below(&directory.path().join("gone"), &mut below).unwrap();
    }
}
