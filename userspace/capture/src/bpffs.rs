//! A bpffs of our own, in which maps and links outlive the daemon.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::CaptureError;
use crate::mountinfo::is_mount_point;

/// Where pins are: `<state>/bpf`, the mount, and below it a directory named after the layout, so
/// that an instance never takes maps of another layout for its own.
#[derive(Debug, Clone)]
pub(crate) struct Bpffs {
    mount: PathBuf,
}

impl Bpffs {
    /// Mounts it, mode 0700, unless it is mounted: whether it had to be is told with it.
    pub(crate) fn at(state: &Path) -> Result<(Self, bool), CaptureError> {
        let point = state.join("bpf");
        private_directory(&point)?;
        let point = point.canonicalize().map_err(CaptureError::host(
            "could not resolve the state directory",
            &point,
        ))?;
        let is_new = !is_mount_point(&point);
        if is_new {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(
                Some("sluice"),
                &point,
                Some("bpf"),
                flags,
                Some("mode=0700"),
            )
            .map_err(io::Error::from)
            .map_err(CaptureError::host("could not mount a bpffs", &point))?;
        }
        let pins = Self { mount: point };
        private_directory(&pins.links())?;
        private_directory(&pins.maps())?;
        Ok((pins, is_new))
    }

    /// Where an instance pinned a map.
    pub(crate) fn map_at(state: &Path, name: &str) -> PathBuf {
        let mount = state.join("bpf");
        Self { mount }.maps().join(name)
    }

    fn version(&self) -> PathBuf {
        self.mount.join(format!("v{}", sluice_abi::VERSION))
    }

    /// Directory of the pinned links.
    pub(crate) fn links(&self) -> PathBuf {
        self.version().join("links")
    }

    /// Directory of the pinned maps.
    pub(crate) fn maps(&self) -> PathBuf {
        self.version().join("maps")
    }

    /// Removes pins of other layouts: an upgrade has attached its own by now.
    pub(crate) fn remove_other_layouts(&self) -> io::Result<()> {
        let ours = self.version();
        self.remove_directories(|path| path != ours)
    }

    /// Removes directories in the mount; the kernel has files of its own in the top of each bpffs
    /// (CONFIG_BPF_PRELOAD), which nobody can remove.
    fn remove_directories(&self, wanted: impl Fn(&Path) -> bool) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.mount)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && wanted(&entry.path()) {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes all pins and the mount: what is not held by an open descriptor is detached.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.remove_directories(|_| true)?;
        umount2(&self.mount, MntFlags::MNT_DETACH)?;
        std::fs::remove_dir(&self.mount)
    }

    /// Removes what an instance that was killed left in a state directory.
    pub(crate) fn remove_at(state: &Path) -> io::Result<()> {
        let mount = match state.join("bpf").canonicalize() {
            Ok(mount) => mount,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if is_mount_point(&mount) {
            return Self { mount }.remove();
        }
        std::fs::remove_dir(&mount)
    }
}

fn private_directory(path: &Path) -> Result<(), CaptureError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(CaptureError::host("could not make the directory", path))
}

/// Removes a directory of pins with everything in it.
fn remove_tree(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::remove_dir(directory)
}
