//! Components of the pinned toolchain, and programs from crates.io in `.tools`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::Run;
use crate::repo::Repo;

/// For tools that run for seconds: building them quickly matters more than their speed.
pub(super) const QUICK: &[&str] = &["--debug", "--config", "profile.dev.debug=0"];

/// A program from crates.io.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) version: &'static str,
    pub(super) args: &'static [&'static str],
    pub(super) env: &'static [(&'static str, &'static str)],
}

impl Tool {
    pub(super) fn install(self, repo: &Repo, name: &str) -> Result<()> {
        // A build folder of its own, so that the workspace's is not filled with tools.
        let build = repo.tools().join(format!("build-{name}"));
        let run = Run::cargo(repo.root())
            .args([
                "install",
                name,
                "--version",
                self.version,
                "--locked",
                "--force",
            ])
            .args(self.args)
            .args(["--root"])
            .args([repo.tools()])
            .env("CARGO_TARGET_DIR", &build)
            .envs(self.env.iter().copied());
        let installed = run.stream();
        match fs::remove_dir_all(&build) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                eprintln!("setup: {} stays: {error}", build.display());
            }
            Ok(()) | Err(_) => {}
        }
        installed
    }
}

/// What `cargo install` put into `.tools`, from its own list.
pub(super) struct Installed {
    list: String,
    bin: PathBuf,
}

impl Installed {
    pub(super) fn read(repo: &Repo) -> Result<Self> {
        let path = repo.tools().join(".crates.toml");
        let list = match fs::read_to_string(&path) {
            Ok(list) => list,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", path.display()));
            }
        };
        Ok(Self {
            list,
            bin: repo.tools().join("bin"),
        })
    }

    pub(super) fn has(&self, name: &str, version: &str) -> bool {
        let entry = format!("\"{name} {version} (");
        let listed = self.list.lines().any(|line| line.starts_with(&entry));
        listed && self.bin.join(name).is_file()
    }
}

/// Where the pinned toolchain is.
pub(super) fn sysroot(repo: &Repo) -> Result<PathBuf> {
    let said = Run::new("rustc", repo.root())
        .args(["--print", "sysroot"])
        .read()?;
    Ok(PathBuf::from(said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_counts_in_its_version_and_with_its_program() {
        let dir = tempfile::tempdir().unwrap();
        let list = "[v1]\n\"bpf-linker 0.13.0 (registry)\" = [\"bpf-linker\"]\n".to_owned();
        let installed = Installed {
            list,
            bin: dir.path().to_path_buf(),
        };
        assert!(!installed.has("bpf-linker", "0.13.0"));
        fs::write(dir.path().join("bpf-linker"), "").unwrap();
        assert!(installed.has("bpf-linker", "0.13.0"));
        assert!(!installed.has("bpf-linker", "0.13"));
        assert!(!installed.has("linker", "0.13.0"));
    }
}
