//! House rules that no compiler checks. Each finding is `file:line: what`.
//!
//! A line that is right all the same says so, with the rule's name and the reason, in a comment
//! on it or on the line above: `tidy: allow(RULE): REASON`.

mod addresses;
mod links;
mod names;
mod rust;
mod secrets;
mod source;
mod text;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::process::Run;
use crate::repo::Repo;
use source::Source;

/// One file of the repository, as the rules see it.
pub(crate) struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
    /// Code, comments and strings of a Rust file.
    rust: Option<Source>,
}

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Counted from one.
    line: usize,
    rule: &'static str,
    what: String,
}

impl Finding {
    fn new(rule: &'static str, line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            rule,
            what: what.into(),
        }
    }
}

/// A rule looks at one file and says what is wrong in it.
type Rule = fn(&File) -> Vec<Finding>;

const RULES: &[Rule] = &[
    text::whitespace,
    text::unfinished,
    text::machine_paths,
    text::registries,
    secrets::secrets,
    addresses::addresses,
    names::file_names,
    names::defined_names,
    rust::length,
    rust::unsafe_code,
    rust::lint_reasons,
    rust::macros,
];

/// Data that is kept byte for byte: no rule applies.
const DATA: &[&str] = &["tests/fuzz/corpus/", "tests/corpus/"];

/// The rules' own text, which is full of what they look for.
const OWN: &str = "xtask/src/tidy/";
const NOT_FOR_OWN: &[&str] = &["machine-path", "registry"];

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs").then(|| Source::read(text));
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            rust,
        }
    }

    /// Lines with their numbers, counted from one.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Whether the whole file is there for tests.
    fn is_test(&self) -> bool {
        let under_tests = self.path.starts_with("tests/") || self.path.contains("/tests/");
        under_tests || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// Whether the line, or the one above, says that a rule does not apply, and why.
    fn allows(&self, finding: &Finding) -> bool {
        let mark = format!("tidy: allow({}): ", finding.rule);
        let first = finding.line.saturating_sub(2);
        let near = self.text.lines().skip(first).take(finding.line - first);
        near.filter_map(|line| line.split_once(&mark))
            .any(|(_, reason)| !reason.trim().is_empty())
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<_> = RULES.iter().flat_map(|rule| rule(self)).collect();
        let own = self.path.starts_with(OWN);
        found.retain(|finding| !(own && NOT_FOR_OWN.contains(&finding.rule)));
        found.retain(|finding| !self.allows(finding));
        found.sort_by_key(|finding| finding.line);
        found
    }
}

pub(crate) fn run(repo: &Repo) -> Result<ExitCode> {
    let paths = paths(repo)?;
    let mut count = 0;
    for path in &paths {
        // What is no text is no subject of these rules.
        let Ok(text) = std::fs::read_to_string(repo.path(path)) else {
            continue;
        };
        let file = File::new(path, &text);
        let mut findings = file.findings();
        findings.extend(links::broken(&file, |target| repo.path(target).exists()));
        for finding in &findings {
            println!(
                "{path}:{}: {}: {}",
                finding.line, finding.rule, finding.what
            );
        }
        count += findings.len();
        if let Some(lines) = rust::long(&file) {
            println!(
                "{path}:1: warning: {lines} lines; the house number is {}",
                rust::WARN_LINES
            );
        }
    }
    println!("tidy: {} files, {count} findings", paths.len());
    Ok(if count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Files in git, and those that could be added.
fn paths(repo: &Repo) -> Result<Vec<String>> {
    let listed = Run::new("git", repo.root())
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .read()
        .context("listing the repository's files")?;
    let mut paths: Vec<_> = listed
        .split('\0')
        .filter(|path| !path.is_empty() && !DATA.iter().any(|data| path.starts_with(data)))
        .filter(|path| is_file(&repo.path(path)))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A link is checked where it leads; a file that is deleted but still in git is none.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_line_is_allowed_with_a_reason_only() {
        let find = |text: &str| File::new("a.toml", text).findings().len();
        assert_eq!(find("x = '/root/x'\n"), 1);
        assert_eq!(
            find("x = '/root/x' # tidy: allow(machine-path): a rule about it\n"),
            0
        );
        assert_eq!(
            find("# tidy: allow(machine-path): a rule about it\nx = '/root/x'\n"),
            0
        );
        assert_eq!(
            find("x = '/root/x' # tidy: allow(machine-path): \n"),
            2,
            "space at the end"
        );
        assert_eq!(find("x = '/root/x' # tidy: allow(secret): wrong rule\n"), 1);
        assert_eq!(
            find("# tidy: allow(machine-path): too far\n\nx = '/root/x'\n"),
            1
        );
    }

    #[test]
    fn test_files_are_known_by_their_path() {
        for path in [
            "tests/e2e/src/main.rs",
            "userspace/flow/src/x/tests.rs",
            "a/tests/b.rs",
        ] {
            assert!(File::new(path, "").is_test(), "{path}");
        }
        assert!(!File::new("userspace/flow/src/lib.rs", "").is_test());
    }

    #[test]
    fn a_good_file_has_no_findings() {
        let text = "//! Words.\n\n/// One.\npub fn one() -> u8 {\n    1\n}\n";
        assert_eq!(
            File::new("userspace/flow/src/words.rs", text).findings(),
            []
        );
    }
}
