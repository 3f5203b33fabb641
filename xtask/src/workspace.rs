//! What cargo says about the workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::Run;
use crate::repo::Repo;

/// What sluice runs on.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The part of `cargo metadata` that the tasks read.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    #[serde(default)]
    pub(crate) workspace_members: Vec<String>,
    pub(crate) resolve: Option<Resolve>,
}

/// One package, of ours or of somebody else.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    /// The native library that it links, if it declares one.
    #[serde(default)]
    pub(crate) links: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Option<serde_json::Value>,
}

/// The resolved graph.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// One package's place in the graph.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Dependency>,
}

/// One edge of the graph.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

/// Whether an edge is there for the build, the tests, or the program itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct DependencyKind {
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    /// The members alone, without the graph: quick, and needs no network.
    pub(crate) fn members(repo: &Repo) -> Result<Self> {
        Self::read(repo, &["--no-deps"])
    }

    /// Members and everything they use, as locked.
    pub(crate) fn graph(repo: &Repo) -> Result<Self> {
        Self::read(repo, &["--locked", "--filter-platform", PLATFORM])
    }

    fn read(repo: &Repo, args: &[&str]) -> Result<Self> {
        let run = Run::cargo(repo.root())
            .args(["metadata", "--format-version", "1"])
            .args(args);
        serde_json::from_str(&run.read()?).context("reading the output of `cargo metadata`")
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name && self.workspace_members.contains(&package.id))
    }

    pub(crate) fn by_id(&self) -> BTreeMap<&str, &Package> {
        self.packages
            .iter()
            .map(|package| (package.id.as_str(), package))
            .collect()
    }
}
