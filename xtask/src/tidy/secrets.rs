//! Text that looks like a secret. Masking's own fixtures are made of such text.

use super::text::match_lines;
use super::{File, Finding};

/// Where secrets-shaped text is the subject.
const FIXTURES: &[&str] = &["userspace/masking/", "policies/rules/"];

/// A token's fixed beginning, and how many characters of its alphabet must follow.
struct Shape {
    name: &'static str,
    prefix: &'static str,
    least: usize,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "AWS access key",
        prefix: "AKIA",
        least: 16,
    },
    Shape {
        name: "AWS session key",
        prefix: "ASIA",
        least: 16,
    },
    Shape {
        name: "GitHub token",
        prefix: "ghp_",
        least: 36,
    },
    Shape {
        name: "GitHub token",
        prefix: "ghs_",
        least: 36,
    },
    Shape {
        name: "GitHub token",
        prefix: "github_pat_",
        least: 40,
    },
    Shape {
        name: "GitLab token",
        prefix: "glpat-",
        least: 20,
    },
    Shape {
        name: "Slack token",
        prefix: "xoxb-",
        least: 20,
    },
    Shape {
        name: "Stripe key",
        prefix: "sk_live_",
        least: 16,
    },
    Shape {
        name: "PyPI token",
        prefix: "pypi-AgE",
        least: 40,
    },
    Shape {
        name: "npm token",
        prefix: "npm_",
        least: 36,
    },
    Shape {
        name: "Google API key",
        prefix: "AIza",
        least: 35,
    },
];

/// The head of a private key in PEM, in two parts so that it is not found here.
const KEY_HEAD: &str = "-----BEGIN ";
const KEY_HEAD_END: &str = "PRIVATE KEY-----";

pub(super) fn secrets(file: &File) -> Vec<Finding> {
    if FIXTURES.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    match_lines(file, "secret", |line| {
        let name = secret(line)?;
        Some(format!("this looks like a secret ({name})"))
    })
}

fn secret(line: &str) -> Option<&'static str> {
    let head = line
        .split_once(KEY_HEAD)
        .is_some_and(|(_, rest)| rest.contains(KEY_HEAD_END));
    if head {
        return Some("private key");
    }
    let words = line.split(|char: char| !(char.is_ascii_alphanumeric() || "_-".contains(char)));
    let mut words = words.filter(|word| !word.to_ascii_lowercase().contains("example"));
    words.find_map(|word| {
        let shape = SHAPES.iter().find(|shape| {
            word.strip_prefix(shape.prefix)
                .is_some_and(|rest| rest.len() >= shape.least)
        });
        shape.map(|shape| shape.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found() {
        for shape in SHAPES {
            let line = format!("token = \"{}{}\"", shape.prefix, "A1b2".repeat(11));
            assert_eq!(secret(&line), Some(shape.name));
        }
        let key = format!("{KEY_HEAD}RSA {KEY_HEAD_END}");
        assert_eq!(secret(&key), Some("private key"));
    }

    #[test]
    fn what_is_short_or_called_an_example_is_none() {
        for good in [
            "AKIA",
            "ghp_short",
            "AKIAIOSFODNN7EXAMPLE",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(secret(good), None, "{good}");
        }
    }

    #[test]
    fn maskings_fixtures_are_free() {
        let text = format!("{}{}\n", "glpat-", "A1b2".repeat(6));
        assert_eq!(
            secrets(&File::new("userspace/masking/src/rules.rs", &text)),
            []
        );
        assert_eq!(
            secrets(&File::new("userspace/proxy/src/a.rs", &text)).len(),
            1
        );
    }
}
