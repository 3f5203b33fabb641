//! Cgroups of jobs: made below the root of cgroup v2, removed when they are dropped.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::CaptureError;
use crate::mountinfo;

/// How often, and how long apart, an emptied cgroup is tried to be removed: killed processes
/// leave it when the kernel gets to them.
const REMOVE_TRIES: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// A cgroup of one job.
#[derive(Debug)]
pub struct JobCgroup {
    path: PathBuf,
    id: u64,
}

impl JobCgroup {
    /// Makes `sluice.<name>` below the root of cgroup v2. `name` must be unique on the host.
    ///
    /// # Errors
    /// When there is no cgroup v2, or the directory exists or cannot be made.
    pub fn create(name: &str) -> Result<Self, CaptureError> {
        let path = mountinfo::cgroup_root()?.join(format!("sluice.{name}"));
        fs::create_dir(&path).map_err(CaptureError::host("could not make the cgroup", &path))?;
        let id = id_of(&path)?;
        Ok(Self { path, id })
    }

    /// One that was made before, by an instance that is gone.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn at(path: &Path) -> Result<Self, CaptureError> {
        let id = id_of(path)?;
        Ok(Self {
            path: path.to_owned(),
            id,
        })
    }

    /// Leaves it where it is, for an instance that comes after.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id, as the kernel side sees it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Puts the calling process into it: what it starts from now on is the job's.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn enter(&self) -> Result<(), CaptureError> {
        join(&self.path)
    }

    /// Kills every process in it and below it (`cgroup.kill`, Linux 5.14).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<(), CaptureError> {
        kill(&self.path)
    }

    /// Whether no process is in it or below it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_empty(&self.path)
    }
}

impl Drop for JobCgroup {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(cgroup = %self.path.display(), %error, "a cgroup could not be removed");
        }
    }
}

/// Puts the calling process into the cgroup at `path`. Async-signal-safe apart from the path:
/// one open, one write, one close, so that it can run between fork and exec.
///
/// # Errors
/// When the kernel refuses.
pub fn join(path: &Path) -> Result<(), CaptureError> {
    let procs = path.join("cgroup.procs");
    fs::write(&procs, "0").map_err(CaptureError::host("could not enter the cgroup", procs))
}

/// Whether no process is in the cgroup or below it; one that is not there is empty.
#[must_use]
pub fn is_empty(path: &Path) -> bool {
    let events = fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
    !events.lines().any(|line| line == "populated 1")
}

/// Kills every process in a cgroup and below it.
///
/// # Errors
/// When the kernel refuses.
pub fn kill(path: &Path) -> Result<(), CaptureError> {
    let file = path.join("cgroup.kill");
    fs::write(&file, "1").map_err(CaptureError::host(
        "could not kill what is in the cgroup",
        file,
    ))
}

/// Kills what is in a cgroup and removes it with everything below it. One that is gone, or that
/// somebody else removes meanwhile, is none the worse.
///
/// # Errors
/// When something in it does not go away within a second.
pub fn remove(path: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..REMOVE_TRIES {
        last = match kill_and_remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => Ok(()),
            other => other,
        };
        if last.is_ok() {
            break;
        }
        thread::sleep(REMOVE_PAUSE);
    }
    last
}

fn kill_and_remove(path: &Path) -> io::Result<()> {
    fs::write(path.join("cgroup.kill"), "1")?;
    remove_tree(path)
}

/// The files of a cgroup go with its directory; only directories are removed, innermost first.
fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// A cgroup's id: the inode number of its directory (64-bit kernels, since 5.5).
pub(crate) fn id_of(path: &Path) -> Result<u64, CaptureError> {
    let metadata =
        fs::metadata(path).map_err(CaptureError::host("could not look at the cgroup", path))?;
    Ok(metadata.ino())
}

/// A cgroup's level: 1 is directly below the root.
pub(crate) fn level_of(path: &Path, root: &Path) -> Result<u32, CaptureError> {
    let outside = || CaptureError::NotACgroup {
        path: path.to_owned(),
        root: root.to_owned(),
    };
    let real = path
        .canonicalize()
        .map_err(CaptureError::host("could not resolve", path))?;
    let depth = real
        .strip_prefix(root)
        .map_err(|_| outside())?
        .components()
        .count();
    let max = sluice_abi::RUNNER_DEPTH_MAX;
    match u32::try_from(depth) {
        Ok(0) => Err(outside()),
        Ok(level) if level <= max => Ok(level),
        _ => Err(CaptureError::TooDeep {
            path: path.to_owned(),
            depth,
            max,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(root: &Path, levels: u32) -> PathBuf {
        let path = (0..levels).fold(root.to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_level_is_counted_from_the_root_and_limited() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let max = sluice_abi::RUNNER_DEPTH_MAX;
        assert_eq!(level_of(&deep(&root, 1), &root).unwrap(), 1);
        assert_eq!(level_of(&deep(&root, max), &root).unwrap(), max);
        let error = level_of(&deep(&root, max + 1), &root).unwrap_err();
        assert!(matches!(error, CaptureError::TooDeep { .. }), "{error}");
    }

    #[test]
    fn one_that_is_gone_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        remove(&directory.path().join("sluice.gone")).unwrap();
    }

    #[test]
    fn the_root_itself_and_what_is_outside_are_no_runners() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for path in [root.clone(), PathBuf::from("/")] {
            let error = level_of(&path, &root).unwrap_err();
            assert!(matches!(error, CaptureError::NotACgroup { .. }), "{error}");
        }
    }
}
