//! What outlives the daemon, but not the boot: the jobs that it admitted, and the lineage that
//! it knew.
//!
//! Tags are of one boot, and a job may have come with secrets. So this is a tmpfs of its own in
//! the state directory, like the bpffs beside it: root's alone, gone with the boot, and kept
//! from swap where the kernel can (`noswap`, Linux 6.4).

use std::fs::{DirBuilder, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_flow::kernel::JobTag;
use sluice_flow::{Job, JobId, LineageSnapshot, ProcessId};
use tempfile::NamedTempFile;

use crate::config::Runner;

/// A job as the next daemon needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) tag: JobTag,
    pub(crate) job: Job,
    /// Values that are masked wherever they appear.
    pub(crate) secrets: Vec<String>,
    /// Policies that came with it: name of the file, text.
    pub(crate) policies: Vec<(String, String)>,
    /// Names that it resolved, with the seconds for which they count on; written at a planned
    /// stop.
    #[serde(default)]
    pub(crate) names: Vec<(IpAddr, String, u64)>,
    pub(crate) place: KeptPlace,
}

/// Where the job's processes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeptPlace {
    /// In a cgroup that was made for it; `by` runs it.
    Own {
        cgroup: PathBuf,
        by: Option<ProcessId>,
    },
    /// In that of a runner, which comes and goes: as `sluice.toml` names it.
    Runner { place: String },
}

impl KeptPlace {
    /// Where the processes of a runner are.
    pub(crate) fn of_runner(runner: &Runner) -> Self {
        Self::Runner {
            place: runner.place(),
        }
    }
}

/// The place, mounted.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    directory: PathBuf,
}

/// The file of the lineage.
const LINEAGE: &str = "lineage.json";

impl Memory {
    /// Mounts it below the state directory, unless the daemon before this one has left it.
    pub(crate) fn open(state: &Path) -> anyhow::Result<Self> {
        let directory = state.join("run");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory);
        made.with_context(|| format!("cannot make {}", directory.display()))?;
        if !is_mounted(&directory)? {
            let with = |options| mount_on(&directory, options);
            with("mode=0700,noswap")
                .or_else(|_| with("mode=0700"))
                .with_context(|| format!("cannot mount a tmpfs on {}", directory.display()))?;
        }
        Ok(Self { directory })
    }

    /// What a daemon has left; `None` where there is nothing of it.
    pub(crate) fn left_in(state: &Path) -> anyhow::Result<Option<Self>> {
        let directory = state.join("run");
        let there = directory.is_dir() && is_mounted(&directory)?;
        Ok(there.then_some(Self { directory }))
    }

    /// Takes it away with all that is in it; none is none.
    pub(crate) fn remove(state: &Path) -> anyhow::Result<()> {
        let directory = state.join("run");
        if !directory.is_dir() {
            return Ok(());
        }
        let removed = || -> anyhow::Result<()> {
            if is_mounted(&directory)? {
                umount2(&directory, MntFlags::MNT_DETACH)?;
            }
            Ok(std::fs::remove_dir(&directory)?)
        };
        removed().with_context(|| format!("cannot remove {}", directory.display()))
    }

    /// Keeps a job, in place of what was kept of it.
    pub(crate) fn keep(&self, job: &Kept) -> anyhow::Result<()> {
        self.write(&file_of(job.job.id), job)
    }

    /// Forgets a job that has ended.
    pub(crate) fn forget(&self, job: JobId) {
        let file = self.directory.join(file_of(job));
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %file.display(), "a job that ended is not forgotten");
        }
    }

    /// The jobs that were kept, by their start. One that cannot be read is said and left out.
    pub(crate) fn jobs(&self) -> anyhow::Result<Vec<Kept>> {
        let entries = std::fs::read_dir(&self.directory)
            .with_context(|| format!("cannot list {}", self.directory.display()))?;
        let mut jobs: Vec<Kept> = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !(name.starts_with("job-") && name.ends_with(".json")) {
                continue;
            }
            match read(&path) {
                Ok(job) => jobs.push(job),
                Err(error) => {
                    tracing::error!("a job of before is not known any more: {error:#}");
                }
            }
        }
        jobs.sort_by_key(|kept| kept.job.id);
        Ok(jobs)
    }

    /// Keeps the lineage over a planned stop.
    pub(crate) fn keep_lineage(&self, lineage: &LineageSnapshot) -> anyhow::Result<()> {
        self.write(LINEAGE, lineage)
    }

    /// The lineage that was kept. It is good once: from now on it gets old.
    pub(crate) fn take_lineage(&self) -> Option<LineageSnapshot> {
        let path = self.directory.join(LINEAGE);
        if !path.exists() {
            return None;
        }
        let lineage = read(&path);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::error!(%error, "the lineage of before cannot be taken over");
            return None;
        }
        lineage
            .map_err(|error| tracing::error!("the lineage of before is lost: {error:#}"))
            .ok()
    }

    /// Whole or not at all: a reader never sees half of it, and jobs that start at the same
    /// time do not write into one another's.
    fn write(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let path = self.directory.join(name);
        let write = || -> anyhow::Result<()> {
            let mut file = io::BufWriter::new(NamedTempFile::new_in(&self.directory)?);
            serde_json::to_writer(&mut file, value)?;
            file.into_inner()?.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

fn file_of(job: JobId) -> String {
    format!("job-{job}.json")
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let read = || -> anyhow::Result<T> {
        Ok(serde_json::from_reader(io::BufReader::new(File::open(
            path,
        )?))?)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// A directory on which something is mounted is on another device than the one above it.
fn is_mounted(directory: &Path) -> anyhow::Result<bool> {
    let device = |path: &Path| -> anyhow::Result<u64> {
        let found = std::fs::metadata(path);
        Ok(found
            .with_context(|| format!("cannot look at {}", path.display()))?
            .dev())
    };
    let above = directory.parent().unwrap_or(directory);
    Ok(device(directory)? != device(above)?)
}

fn mount_on(directory: &Path, options: &str) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("sluice"),
        directory,
        Some("tmpfs"),
        flags,
        Some(options),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;
    use sluice_flow::{Labels, LineageTable};

    use super::*;

    /// Not mounted: what is tested is what is written.
    fn memory() -> (tempfile::TempDir, Memory) {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory {
            directory: directory.path().to_owned(),
        };
        (directory, memory)
    }

    fn kept(name: &str) -> Kept {
        Kept {
            tag: JobTag(7),
            job: Job {
                id: JobId::new(),
                name: name.to_owned(),
                labels: Labels::default(),
                uid: 0,
            },
            secrets: vec!["hunter2-hunter2".to_owned()],
            policies: vec![("own.yaml".to_owned(), "version: 1\n".to_owned())],
            names: Vec::new(),
            place: KeptPlace::Own {
                cgroup: PathBuf::from("/sys/fs/cgroup/sluice.job-7"),
                by: Some(ProcessId {
                    tgid: 5,
                    started: 6,
                }),
            },
        }
    }

    #[test]
    fn a_job_is_kept_until_it_is_forgotten() {
        let (_directory, memory) = memory();
        let (first, second) = (kept("first"), kept("second"));
        memory.keep(&second).unwrap();
        memory.keep(&first).unwrap();
        assert_eq!(memory.jobs().unwrap(), [first.clone(), second.clone()]);
        memory.forget(first.job.id);
        memory.forget(first.job.id);
        let mut again = second;
        again.secrets.clear();
        memory.keep(&again).unwrap();
        assert_eq!(memory.jobs().unwrap(), [again]);
    }

    #[test]
    fn jobs_that_start_at_once_are_all_kept() {
        let (_directory, memory) = memory();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        memory.keep(&kept("job")).unwrap();
                    }
                });
            }
        });
        assert_eq!(memory.jobs().unwrap().len(), 200);
    }

    #[test]
    fn nobody_but_root_reads_it() {
        let (directory, memory) = memory();
        memory.keep(&kept("job")).unwrap();
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_left_out() {
        let (directory, memory) = memory();
        memory.keep(&kept("job")).unwrap();
        std::fs::write(directory.path().join("job-cut.json"), "{\"tag\":").unwrap();
        assert_eq!(memory.jobs().unwrap().len(), 1);
    }

    #[test]
    fn the_lineage_is_good_once() {
        let (_directory, memory) = memory();
        assert!(memory.take_lineage().is_none());
        let boot = uuid::Uuid::from_u128(1);
        let lineage = LineageTable::new(boot, Timestamp::UNIX_EPOCH).snapshot();
        memory.keep_lineage(&lineage).unwrap();
        assert_eq!(memory.take_lineage(), Some(lineage));
        assert!(memory.take_lineage().is_none());
    }

    #[test]
    fn nothing_there_is_nothing_to_remove() {
        let state = tempfile::tempdir().unwrap();
        Memory::remove(state.path()).unwrap();
        std::fs::create_dir(state.path().join("run")).unwrap();
        Memory::remove(state.path()).unwrap();
        assert!(!state.path().join("run").exists());
    }
}
