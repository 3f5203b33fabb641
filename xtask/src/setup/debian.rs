//! Debian packages, without the services that they would start.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{Run, is_root, on_path};
use crate::repo::Repo;

/// Where Debian's maintainer scripts ask whether they may start a service.
const POLICY_RC: &str = "/usr/sbin/policy-rc.d";
/// Tells our file there from an administrator's.
const MARK: &str = "# written by sluice's `cargo xtask setup`";
/// Where a PostgreSQL package reads whether to make a cluster of its own.
const CLUSTER: &str = "/etc/postgresql-common/createcluster.d/sluice-setup.conf";
/// Services that Debian would start at the next boot. The tests start their own.
const SERVICES: &[&str] = &["nginx", "haproxy", "pgbouncer"];

/// Those of `names` that are installed.
pub(super) fn installed(names: &[&str]) -> Result<Vec<String>> {
    if !on_path("dpkg-query") {
        bail!(
            "no dpkg-query here: setup knows Debian 12 only. Elsewhere, install these by hand \
             and call cargo itself: {}",
            names.join(" ")
        );
    }
    // dpkg-query fails when it does not know a name, and still tells of the others.
    let output = std::process::Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\\n"])
        .args(names)
        .output()
        .context("starting dpkg-query")?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(listing: &str) -> Vec<String> {
    let lines = listing.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(_, state)| *state == "installed")
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Install packages, as root: this program calls itself through sudo where it must.
pub(super) fn install(repo: &Repo, packages: &[&str]) -> Result<()> {
    if is_root()? {
        let packages: Vec<_> = packages.iter().map(ToString::to_string).collect();
        return install_as_root(&packages);
    }
    let ourselves = std::env::current_exe().context("finding this program")?;
    Run::new(ourselves, repo.root())
        .args(["install-debian"])
        .args(packages)
        .with_root()
        .stream()
}

/// The part that runs as root.
pub(crate) fn install_as_root(packages: &[String]) -> Result<()> {
    let _quiet = ServicesHeld::hold()?;
    let _no_cluster = TemporaryFile::write(Path::new(CLUSTER), "create_main_cluster = false\n")?;
    apt(&["update", "-qq"])?;
    let mut args = vec!["install", "-q", "--yes", "--no-install-recommends"];
    args.extend(packages.iter().map(String::as_str));
    apt(&args)?;
    for service in SERVICES {
        let brought = packages.iter().any(|package| package.starts_with(service));
        if brought && on_path("systemctl") {
            let run = Run::new("systemctl", Path::new("/"));
            run.args(["disable", "--quiet", service]).stream()?;
        }
    }
    Ok(())
}

fn apt(args: &[&str]) -> Result<()> {
    Run::new("apt-get", Path::new("/"))
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stream()
}

/// While this lives, packages start no service.
struct ServicesHeld {
    _file: Option<TemporaryFile>,
}

impl ServicesHeld {
    /// An administrator's own policy file stays, whatever it says.
    fn hold() -> Result<Self> {
        let path = Path::new(POLICY_RC);
        let theirs = fs::read_to_string(path).is_ok_and(|text| !text.contains(MARK));
        if theirs {
            return Ok(Self { _file: None });
        }
        let file = TemporaryFile::write(path, &policy(std::process::id()))?;
        Run::new("chmod", Path::new("/"))
            .args(["755", POLICY_RC])
            .stream()?;
        Ok(Self { _file: Some(file) })
    }
}

/// The file counts only while the process that wrote it lives, so that a set-up that was killed
/// leaves services as free as before. 101 is "forbidden by policy" (invoke-rc.d(8)).
fn policy(process: u32) -> String {
    format!("#!/bin/sh\n{MARK}\n[ -d /proc/{process} ] && exit 101\nexit 0\n")
}

/// A file that goes when this goes; so do the folders that had to be made for it, if empty.
struct TemporaryFile {
    path: PathBuf,
    folders: Vec<PathBuf>,
}

impl TemporaryFile {
    fn write(path: &Path, text: &str) -> Result<Self> {
        let above = path
            .ancestors()
            .skip(1)
            .take_while(|folder| !folder.exists());
        let folders: Vec<_> = above.map(Path::to_path_buf).collect();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            folders,
        })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            eprintln!("setup: {} stays: {error}", self.path.display());
        }
        for folder in &self.folders {
            // A folder that packages now use is not empty, and stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_that_are_fully_installed_count() {
        let listing = "git installed\nwrk not-installed\ncurl config-files\nwget half-installed\n";
        assert_eq!(parse(listing), ["git"]);
    }

    #[test]
    fn a_temporary_file_goes_with_the_folders_made_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.conf");
        drop(TemporaryFile::write(&path, "x").unwrap());
        assert!(!dir.path().join("a").exists());
        assert!(dir.path().exists());
    }

    #[test]
    fn a_folder_that_is_used_by_then_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/c.conf");
        let file = TemporaryFile::write(&path, "x").unwrap();
        fs::write(dir.path().join("a/other"), "y").unwrap();
        drop(file);
        assert!(!path.exists());
        assert!(dir.path().join("a/other").exists());
    }

    #[test]
    fn services_are_held_only_while_the_writer_lives() {
        let dir = tempfile::tempdir().unwrap();
        let status = |process: u32| {
            let path = dir.path().join("policy-rc.d");
            fs::write(&path, policy(process)).unwrap();
            std::process::Command::new("sh")
                .arg(&path)
                .status()
                .unwrap()
                .code()
        };
        assert_eq!(status(std::process::id()), Some(101));
        // Linux gives out no id above 2^22.
        assert_eq!(status(u32::MAX), Some(0));
    }
}
