//! Policy files as the command line names them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sluice_policy::{Layer, Source};

/// The policies in files and directories, the latter with all below them.
///
/// # Errors
/// When something cannot be read, or there is no policy in it.
pub(super) fn sources(named: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let files = files(named, is_policy)?;
    files.iter().map(|file| source(file)).collect()
}

/// The files named, and those in named directories that are `wanted`, sorted.
pub(super) fn files(named: &[PathBuf], wanted: fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            let before = files.len();
            below(path, wanted, &mut files)?;
            if files.len() == before {
                anyhow::bail!("there is nothing for this in {} (*.yaml)", path.display());
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn below(
    directory: &Path,
    wanted: fn(&Path) -> bool,
    files: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot list {}", directory.display());
    let entries = std::fs::read_dir(directory).with_context(failed)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(failed)?;
    paths.sort();
    for path in paths {
        // A link could lead in a circle.
        if path.is_dir() && !path.is_symlink() {
            below(&path, wanted, files)?;
        } else if wanted(&path) {
            files.push(path);
        }
    }
    Ok(())
}

pub(super) fn is_policy(path: &Path) -> bool {
    is_yaml(path) && !is_test(path)
}

/// Cases stand beside the policy that they are for.
pub(super) fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end == "yaml" || end == "yml")
}

fn source(file: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the policy {}", file.display()))?;
    Ok(Source {
        layer: layer(file),
        file: file.display().to_string(),
        text,
    })
}

/// By the directory that it stands in, as the daemon reads them.
fn layer(file: &Path) -> Layer {
    let folder = file.parent().and_then(Path::file_name);
    let layers = [Layer::Host, Layer::Organisation, Layer::Repository];
    let named = layers
        .into_iter()
        .find(|layer| folder.is_some_and(|f| f == layer.word()));
    named.unwrap_or(Layer::Repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_read_whole_and_cases_are_no_policies() {
        let directory = tempfile::tempdir().unwrap();
        let host = directory.path().join("host");
        std::fs::create_dir(&host).unwrap();
        for (name, folder) in [
            ("b.yaml", directory.path()),
            ("a.yml", directory.path()),
            ("a.test.yaml", directory.path()),
            ("notes.txt", directory.path()),
            ("ceiling.yaml", &host),
        ] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        let read = sources(&[directory.path().to_owned()]).unwrap();
        let read: Vec<_> = read.iter().map(|s| (s.text.as_str(), s.layer)).collect();
        let repository = Layer::Repository;
        let want = [
            ("a.yml", repository),
            ("b.yaml", repository),
            ("ceiling.yaml", Layer::Host),
        ];
        assert_eq!(read, want);
        let tests = files(&[directory.path().to_owned()], is_test).unwrap();
        assert_eq!(tests, [directory.path().join("a.test.yaml")]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let empty = sources(&[directory.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(empty.contains("nothing for this"), "{empty}");
        let missing = sources(&[directory.path().join("x.yaml")])
            .unwrap_err()
            .to_string();
        assert!(missing.contains("x.yaml"), "{missing}");
    }
}
