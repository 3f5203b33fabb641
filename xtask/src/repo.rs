//! Where things are in a clone.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One clone of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The clone that this xtask was built from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().context("xtask has no folder above it")?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Tools of this project alone; never in git, never on a user's PATH.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    /// The Python with the clients that the end-to-end tests and the demo use.
    pub(crate) fn python(&self) -> PathBuf {
        self.tools().join("venv/bin/python")
    }

    /// Cargo's target folder, which the environment may have moved.
    pub(crate) fn target(&self) -> PathBuf {
        match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// A built binary of the workspace.
    pub(crate) fn binary(&self, name: &str, profile_dir: &str) -> PathBuf {
        self.target().join(profile_dir).join(name)
    }

    /// What tests, demo and bench read to find the parts of this clone, as (name, value).
    pub(crate) fn environment(&self, profile_dir: &str) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("SLUICE_REPO", self.root.clone()),
            ("SLUICE_BIN", self.binary("sluice", profile_dir)),
            ("SLUICE_PYTHON", self.python()),
        ]
    }
}
