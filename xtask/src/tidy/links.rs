//! Links in Markdown that lead to a file of the repository.

use super::{File, Finding};

/// Links whose target is not there. `exists` answers for a path from the root.
pub(super) fn broken(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    if !file.path.ends_with(".md") {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        for target in targets(line).into_iter().filter(|_| !in_code) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            let found_there = resolved(folder, path).is_some_and(|path| exists(&path));
            if !elsewhere && !found_there {
                found.push(Finding::new(
                    "link",
                    number,
                    format!("`{target}` leads nowhere"),
                ));
            }
        }
    }
    found
}

/// What stands between `](` and `)`.
fn targets(line: &str) -> Vec<&str> {
    let after = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    after
        .map(|(target, _)| target.split(' ').next().unwrap_or(target))
        .collect()
}

/// A path from the root, or `None` for one that leads out of the repository.
fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { folder };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        let here = ["ARCHITECTURE.md", "docs/a.md", "policies"];
        broken(&File::new(path, text), |target| here.contains(&target)).len()
    }

    #[test]
    fn links_lead_somewhere() {
        for good in [
            "[a](ARCHITECTURE.md)",
            "[a](docs/a.md#part)",
            "[a](#part)",
            "[a](https://example.com/x)",
            "[a](./policies/)",
            "`](x`",
            "```\n[a](nowhere.md)\n```",
        ] {
            assert_eq!(count("README.md", good), 0, "{good}");
        }
        for bad in [
            "[a](nowhere.md)",
            "[a](docs/b.md#part) [b](policies)",
            "[a](../ARCHITECTURE.md)",
        ] {
            assert_eq!(count("README.md", bad), 1, "{bad}");
        }
        assert_eq!(count("docs/b.md", "[a](a.md) [b](../ARCHITECTURE.md)"), 0);
        assert_eq!(count("docs/b.md", "[a](ARCHITECTURE.md)"), 1);
        assert_eq!(count("a.rs", "[a](nowhere.md)"), 0);
    }
}
