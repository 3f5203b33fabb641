//! Python clients in an environment of their own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::Run;
use crate::repo::Repo;

/// What the environment holds, in pip's own form.
const REQUIREMENTS: &str = include_str!("../../python-clients.txt");

/// A copy of the requirements that the environment was made from.
fn stamp(repo: &Repo) -> PathBuf {
    repo.tools().join("venv/sluice-clients.txt")
}

pub(super) fn is_ready(repo: &Repo) -> bool {
    let made_from = fs::read_to_string(stamp(repo));
    repo.python().is_file() && made_from.is_ok_and(|text| text == REQUIREMENTS)
}

pub(super) fn install(repo: &Repo) -> Result<()> {
    // Debian's Python, where there is one: python3-venv belongs to it.
    let debian = Path::new("/usr/bin/python3");
    let python = if debian.is_file() {
        debian
    } else {
        Path::new("python3")
    };
    let venv = repo.tools().join("venv");
    Run::new(python, repo.root())
        .args(["-m", "venv", "--clear"])
        .args([&venv])
        .stream()?;
    Run::new(repo.python(), repo.root())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .args([repo.path("xtask/python-clients.txt")])
        .stream()?;
    let stamp = stamp(repo);
    fs::write(&stamp, REQUIREMENTS).with_context(|| format!("writing {}", stamp.display()))
}
