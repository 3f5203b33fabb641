//! Policy files: read whole, checked whole, put in force whole.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::unistd::User;
use sluice_policy::{HostDefault, Layer, PolicySet, Source};

/// The layers, strictest reader last, by the folder that they are read from.
const LAYERS: [(Layer, &str); 3] = [
    (Layer::Host, "host"),
    (Layer::Organisation, "organisation"),
    (Layer::Repository, "repository"),
];

/// The sources below a policy directory, in the order of their layers and names. A missing
/// directory has none.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn sources_in(directory: &Path) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (layer, folder) in LAYERS {
        for file in policy_files(&directory.join(folder))? {
            sources.push(source(layer, &file)?);
        }
    }
    Ok(sources)
}

/// One file of the layer `layer`.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn source(layer: Layer, file: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the policy {}", file.display()))?;
    Ok(Source {
        layer,
        file: file.display().to_string(),
        text,
    })
}

/// Checks all sources together.
///
/// # Errors
/// Every error of every file, with its place.
pub(crate) fn checked(sources: Vec<Source>) -> anyhow::Result<PolicySet> {
    let uid = |name: &str| {
        User::from_name(name)
            .ok()
            .flatten()
            .map(|user| user.uid.as_raw())
    };
    PolicySet::load_on(sources, HostDefault::Deny, &uid)
        .map_err(|errors| anyhow::anyhow!("{errors}"))
}

/// Name and digest of each.
pub(crate) fn named(set: &PolicySet) -> Vec<(String, String)> {
    set.names()
        .into_iter()
        .map(|policy| (policy.name, policy.digest))
        .collect()
}

fn policy_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot list {}", folder.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        let name = path.to_string_lossy();
        let is_policy = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_policy && !name.ends_with(".test.yaml") && !name.ends_with(".test.yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
