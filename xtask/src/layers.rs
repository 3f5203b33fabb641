//! The direction of use, proved on cargo's own graph.
//!
//! A crate of sluice may use what its row in `LAYERS` names and nothing else of ours, directly or
//! through others; tests (dev-dependencies) are free. Pure crates may not be able to reach the
//! network or the kernel at all.

mod purity;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::repo::Repo;
use crate::workspace::{Node, Workspace};

/// A crate of ours, and the ones of ours that it may use. The order is bottom up.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "sluice-abi",
        may_use: &[],
    },
    Layer {
        name: "sluice-masking",
        may_use: &[],
    },
    Layer {
        name: "sluice-flow",
        may_use: &["sluice-masking"],
    },
    Layer {
        name: "sluice-policy",
        may_use: &["sluice-flow", "sluice-masking"],
    },
    Layer {
        name: "sluice-protocols",
        may_use: &["sluice-flow", "sluice-masking"],
    },
    Layer {
        name: "sluice-capture",
        may_use: &["sluice-abi", "sluice-flow", "sluice-masking"],
    },
    Layer {
        name: "sluice-store",
        may_use: &["sluice-flow", "sluice-masking"],
    },
    Layer {
        name: "sluice-api",
        may_use: &["sluice-flow", "sluice-masking"],
    },
    Layer {
        name: "sluice-proxy",
        may_use: &[
            "sluice-policy",
            "sluice-protocols",
            "sluice-flow",
            "sluice-masking",
        ],
    },
    Layer {
        name: "sluice-daemon",
        may_use: &[
            "sluice-abi",
            "sluice-masking",
            "sluice-flow",
            "sluice-policy",
            "sluice-protocols",
            "sluice-capture",
            "sluice-store",
            "sluice-api",
            "sluice-proxy",
        ],
    },
];

/// The crate of the binary uses these directly; what the daemon wires comes with it.
const CLI: &str = "sluice";
const CLI_USES: &[&str] = &[
    "sluice-daemon",
    "sluice-api",
    "sluice-flow",
    "sluice-policy",
    "sluice-masking",
    // It reads the log where no daemon runs, and tests policies with the SQL analysis of the gate.
    "sluice-store",
    "sluice-protocols",
];

/// Members that are no part of the product: they may use everything, and nothing may use them.
fn is_outside_the_product(workspace: &Workspace, name: &str) -> bool {
    let folder = workspace
        .member(name)
        .and_then(|package| package.manifest_path.parent());
    let above = folder
        .and_then(|folder| folder.parent())
        .and_then(|above| above.file_name());
    name == "xtask" || above.is_some_and(|above| above == "tests")
}

pub(crate) fn run(repo: &Repo) -> Result<ExitCode> {
    let workspace = Workspace::graph(repo)?;
    let mut wrong = directions(&workspace)?;
    wrong.extend(purity::check(repo, &workspace)?);
    for line in purity::native_libraries(&workspace) {
        println!("for information: not only Rust: {line}");
    }
    for line in &wrong {
        println!("{line}");
    }
    println!("layers: {} crates, {} wrong", LAYERS.len() + 1, wrong.len());
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What uses something that it may not, with the chain of uses.
fn directions(workspace: &Workspace) -> Result<Vec<String>> {
    let graph = Graph::new(workspace)?;
    let mut wrong = Vec::new();
    for member in members(workspace) {
        if is_outside_the_product(workspace, member) {
            continue;
        }
        if member == CLI {
            let direct = graph
                .uses(member)
                .into_iter()
                .filter(|name| is_ours(workspace, name));
            let outside = direct.filter(|name| !CLI_USES.contains(&name.as_str()));
            wrong.extend(outside.map(|name| format!("{member} may not use {name} directly")));
            continue;
        }
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == member) else {
            wrong.push(format!(
                "{member} has no row in xtask/src/layers.rs: say what it may use"
            ));
            continue;
        };
        for (name, chain) in graph.reachable(member) {
            if is_ours(workspace, &name) && !layer.may_use.contains(&name.as_str()) {
                wrong.push(format!(
                    "{member} may not use {name}: {}",
                    chain.join(" -> ")
                ));
            }
        }
    }
    Ok(wrong)
}

fn members(workspace: &Workspace) -> BTreeSet<&str> {
    let ids: BTreeSet<_> = workspace
        .workspace_members
        .iter()
        .map(String::as_str)
        .collect();
    let ours = workspace
        .packages
        .iter()
        .filter(|package| ids.contains(package.id.as_str()));
    ours.map(|package| package.name.as_str()).collect()
}

fn is_ours(workspace: &Workspace, name: &str) -> bool {
    workspace.member(name).is_some()
}

/// Who uses whom in a program that is shipped: build and ordinary dependencies, no tests.
struct Graph<'a> {
    uses: BTreeMap<&'a str, Vec<&'a str>>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Graph<'a> {
    fn new(workspace: &'a Workspace) -> Result<Self> {
        let resolve = workspace
            .resolve
            .as_ref()
            .context("cargo metadata has no graph")?;
        let packages = workspace.by_id();
        let names = packages
            .iter()
            .map(|(id, package)| (*id, package.name.as_str()))
            .collect();
        let uses = resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), shipped(node)))
            .collect();
        Ok(Self { uses, names })
    }

    fn id(&self, name: &str) -> Option<&'a str> {
        self.names
            .iter()
            .find(|(_, other)| **other == name)
            .map(|(id, _)| *id)
    }

    fn name(&self, id: &str) -> String {
        self.names.get(id).copied().unwrap_or(id).to_owned()
    }

    /// Names of what a member uses directly.
    fn uses(&self, name: &str) -> Vec<String> {
        let direct = self.id(name).and_then(|id| self.uses.get(id));
        direct
            .into_iter()
            .flatten()
            .map(|id| self.name(id))
            .collect()
    }

    /// Names of everything below a member, each with a shortest chain that leads there.
    fn reachable(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let Some(start) = self.id(name) else {
            return Vec::new();
        };
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        let mut found = Vec::new();
        while let Some(id) = queue.pop_front() {
            for next in self.uses.get(id).into_iter().flatten().copied() {
                if next != start && !came_from.contains_key(next) {
                    came_from.insert(next, id);
                    found.push(next);
                    queue.push_back(next);
                }
            }
        }
        found
            .into_iter()
            .map(|id| (self.name(id), self.chain(&came_from, id)))
            .collect()
    }

    fn chain(&self, came_from: &BTreeMap<&str, &str>, end: &str) -> Vec<String> {
        let mut chain = vec![self.name(end)];
        let mut at = end;
        while let Some(previous) = came_from.get(at) {
            chain.push(self.name(previous));
            at = previous;
        }
        chain.reverse();
        chain
    }
}

fn shipped(node: &Node) -> Vec<&str> {
    let shipped = node.deps.iter().filter(|dependency| {
        dependency
            .dep_kinds
            .iter()
            .any(|kind| kind.kind.as_deref() != Some("dev"))
    });
    shipped.map(|dependency| dependency.pkg.as_str()).collect()
}

#[cfg(test)]
mod tests;
