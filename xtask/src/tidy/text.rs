//! Rules for every text file.

use super::source::has_word;
use super::{File, Finding};

/// Words that say that something is not finished.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Users of build hosts in stories and fixtures; any other home is a developer's.
const FICTIONAL_USERS: &[&str] = &[
    "alice",
    "bob",
    "build",
    "buildbot",
    "buildkite-agent",
    "ci",
    "gitlab-runner",
    "jenkins",
    "runner",
    "user",
];

/// Space at the end of a line, and a last line without an end.
pub(super) fn whitespace(file: &File) -> Vec<Finding> {
    let rule = "whitespace";
    let mut found: Vec<_> = file
        .lines()
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(number, _)| Finding::new(rule, number, "space at the end of the line"))
        .collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        found.push(Finding::new(
            rule,
            file.text.lines().count(),
            "the last line has no end",
        ));
    }
    found
}

/// Work that was left: marks in comments, and `dbg!`.
pub(super) fn unfinished(file: &File) -> Vec<Finding> {
    let rule = "unfinished";
    let Some(rust) = &file.rust else {
        return match_lines(file, rule, |line| {
            let word = UNFINISHED.iter().find(|word| has_word(line, word))?;
            Some(format!("{word}: do it, or open an issue"))
        });
    };
    let mut found = Vec::new();
    for (number, line) in rust.numbered() {
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(&line.comment, word)) {
            found.push(Finding::new(
                rule,
                number,
                format!("{word}: do it, or open an issue"),
            ));
        }
        if line.code.contains("dbg!") {
            found.push(Finding::new(rule, number, "dbg! is for the moment"));
        }
    }
    found
}

/// Absolute paths that exist on one developer's machine only.
pub(super) fn machine_paths(file: &File) -> Vec<Finding> {
    match_lines(file, "machine-path", |line| {
        let path = machine_path(line)?;
        Some(format!("`{path}` is a path of one machine"))
    })
}

fn machine_path(line: &str) -> Option<&str> {
    let roots = ["/work/", "/root/", "/home/", "/Users/"];
    roots.iter().find_map(|root| {
        let (at, _) = line
            .match_indices(root)
            .find(|(at, _)| starts_a_path(line, *at))?;
        let rest = line.get(at + root.len()..)?;
        let user = rest.split(|char: char| !(char.is_alphanumeric() || "-_.".contains(char)));
        let user = user.into_iter().next().unwrap_or_default();
        let home = *root == "/home/" || *root == "/Users/";
        let fictional = home && (user.is_empty() || FICTIONAL_USERS.contains(&user));
        (!fictional).then_some(*root)
    })
}

/// In `/home/runner/work/` the `/work/` is inside a path; in `$DIR/work/` it follows a variable.
fn starts_a_path(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|before| before.chars().next_back());
    before.is_none_or(|char| !(char.is_alphanumeric() || "/.-_}*~>)".contains(char)))
}

/// Registries other than the public ones: settings that name one, and lock files that use one.
pub(super) fn registries(file: &File) -> Vec<Finding> {
    let rule = "registry";
    let name = file.path.rsplit('/').next().unwrap_or_default();
    match name {
        "Cargo.lock" => match_lines(file, rule, |line| {
            let public = "registry+https://github.com/rust-lang/crates.io-index";
            let source = line.strip_prefix("source = ")?;
            (source.trim_matches('"') != public).then(|| format!("not crates.io: {source}"))
        }),
        "config.toml" | "Cargo.toml" | "pip.conf" => match_lines(file, rule, |line| {
            let settings = [
                "replace-with",
                "registry = ",
                "registries.",
                "index-url",
                "find-links",
            ];
            let setting = settings.iter().find(|setting| line.contains(**setting))?;
            Some(format!("`{setting}` names a registry of one place"))
        }),
        _ => match_lines(file, rule, |line| {
            let options = [
                "--index-url",
                "--extra-index-url",
                "--find-links",
                "--registry ",
            ];
            let rust = file.rust.is_some();
            let option = options
                .iter()
                .find(|option| !rust && line.contains(**option))?;
            Some(format!("`{option}` names a registry of one place"))
        }),
    }
}

pub(super) fn match_lines(
    file: &File,
    rule: &'static str,
    what: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let found = file
        .lines()
        .filter_map(|(number, line)| Some((number, what(line)?)));
    found
        .map(|(number, what)| Finding::new(rule, number, what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(found: Vec<Finding>) -> Vec<usize> {
        found.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn space_at_the_end_is_found() {
        assert_eq!(
            lines(whitespace(&File::new("a.md", "one \ntwo\nthree\t\n"))),
            [1, 3]
        );
        assert_eq!(lines(whitespace(&File::new("a.md", "one\n two\n"))), NONE);
    }

    #[test]
    fn a_last_line_has_an_end() {
        assert_eq!(lines(whitespace(&File::new("a.md", "one\ntwo"))), [2]);
        assert_eq!(lines(whitespace(&File::new("a.md", ""))), NONE);
    }

    #[test]
    fn work_that_was_left_is_found_in_comments_only() {
        let rust = |text: &str| lines(unfinished(&File::new("a.rs", text)));
        assert_eq!(rust("// TODO: more\nlet a = dbg!(1);\n"), [1, 2]);
        assert_eq!(rust("let a = \"TODO dbg!\";\nlet TODOS = 1;\n"), NONE);
        assert_eq!(lines(unfinished(&File::new("a.sh", "true # FIXME\n"))), [1]);
        assert_eq!(
            lines(unfinished(&File::new("a.sh", "mktemp x.XXXXXX\n"))),
            NONE
        );
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for bad in [
            "/work/main",
            "cd /root/x",
            "\"/home/jane/x\"",
            "x=/Users/jane/x",
        ] {
            assert!(machine_path(bad).is_some(), "{bad}");
        }
        let good = [
            "/home/runner/work/app",
            "/home/ci/x",
            "$DIR/work/x",
            "target/work/",
            "/workspace/x",
            "/rooted/",
            "https://example.com/root/x",
            "{dir}/work/x",
            "/home/ is where",
        ];
        for good in good {
            assert_eq!(machine_path(good), None, "{good}");
        }
    }

    #[test]
    fn registries_of_one_place_are_found() {
        let find = |path: &str, text: &str| lines(registries(&File::new(path, text)));
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(find("Cargo.lock", public), NONE);
        assert_eq!(
            find(
                "Cargo.lock",
                "source = \"registry+https://example.com/index\"\n"
            ),
            [1]
        );
        assert_eq!(
            find(".cargo/config.toml", "[source.x]\nreplace-with = \"y\"\n"),
            [2]
        );
        assert_eq!(find(".cargo/config.toml", "[alias]\nx = \"run\"\n"), NONE);
        assert_eq!(
            find("a.sh", "pip install --index-url https://example.com x\n"),
            [1]
        );
        assert_eq!(find("a.sh", "pip install x\n"), NONE);
    }
}
