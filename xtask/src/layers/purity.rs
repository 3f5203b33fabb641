//! What the pure crates must not be able to do, and the C code that comes along.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::process::Run;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// Crates that decide and decode: they open nothing.
const PURE: &[&str] = &[
    "sluice-masking",
    "sluice-flow",
    "sluice-policy",
    "sluice-protocols",
];

/// Crates that reach the network or the kernel.
const REACHING: &[&str] = &[
    "aya",
    "aya-obj",
    "hickory-resolver",
    "mio",
    "nix",
    "polling",
    "reqwest",
    "socket2",
];

/// Parts of tokio that open something. Its traits, locks and clocks are free.
const TOKIO_REACHING: &[&str] = &[
    "fs",
    "full",
    "io-std",
    "net",
    "process",
    "rt-multi-thread",
    "signal",
];

/// What a pure crate can reach and must not.
pub(super) fn check(repo: &Repo, workspace: &Workspace) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for name in PURE {
        if workspace.member(name).is_some() {
            // `-p` resolves the features of this crate alone, as no other member widens them.
            let tree = Run::cargo(repo.root())
                .args([
                    "tree",
                    "--locked",
                    "--package",
                    name,
                    "--edges",
                    "normal,build",
                ])
                .args(["--prefix", "none", "--format", "{p}|{f}"])
                .read()?;
            wrong.extend(impure(name, &tree));
        }
    }
    Ok(wrong)
}

/// `tree` has a line a crate: `name vN.N.N (source)|feature,feature`.
pub(super) fn impure(name: &str, tree: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in tree.lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let package = package.split(' ').next().unwrap_or_default();
        if REACHING.contains(&package) {
            wrong.push(format!(
                "{name} is pure and may not use {package}: see cargo tree -i {package} -p {name}"
            ));
        }
        // A repeated crate is marked with ` (*)` after its features.
        let features = features.split(" (").next().unwrap_or_default().split(',');
        if package == "tokio" {
            let reaching = features.filter(|feature| TOKIO_REACHING.contains(feature));
            wrong.extend(reaching.map(|feature| {
                format!("{name} is pure and may not use tokio's feature `{feature}`")
            }));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// Crates in the graph that declare a library outside Rust, as `name version (library)`.
pub(super) fn native_libraries(workspace: &Workspace) -> Vec<String> {
    // Packages that only the lock file knows are in no build.
    let nodes = workspace.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let built: BTreeSet<_> = nodes.map(|node| node.id.as_str()).collect();
    let packages = workspace.packages.iter();
    let native = packages
        .filter(|package| built.contains(package.id.as_str()))
        .filter_map(|package| {
            let library = package.links.as_ref()?;
            Some(format!("{} {} ({library})", package.name, package.version))
        });
    let mut lines: Vec<_> = native.collect();
    lines.sort();
    lines
}
