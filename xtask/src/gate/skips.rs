//! Skips that are known. In CI any other skip is a failure: what is not checked is not green.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::outcome::Outcome;
use crate::repo::Repo;

/// Names and reasons from `xtask/skips.toml`, and whether they bind.
#[derive(Clone, Debug, Default)]
pub(super) struct Skips {
    known: BTreeMap<String, String>,
    in_ci: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    skips: BTreeMap<String, String>,
}

impl Skips {
    pub(super) fn read(repo: &Repo) -> Result<Self> {
        let path = repo.path("xtask/skips.toml");
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        let list = toml::from_str::<List>(&text);
        let list = list.with_context(|| format!("in {}", path.display()))?;
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        Ok(Self {
            known: list.skips,
            in_ci,
        })
    }

    /// In CI, a skip that is not on the list counts as failed instead.
    pub(super) fn judge(&self, mut outcome: Outcome) -> Outcome {
        if !self.in_ci {
            return outcome;
        }
        let skips = std::mem::take(&mut outcome.skips);
        for skip in skips {
            if self.known.contains_key(&skip.name) {
                outcome.skips.push(skip);
            } else {
                let why = format!(
                    "skipped `{}` ({}), which xtask/skips.toml does not list",
                    skip.name, skip.reason
                );
                outcome = outcome.and(Outcome::failed(why));
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skips(in_ci: bool) -> Skips {
        Skips {
            known: BTreeMap::from([("known".to_owned(), "why".to_owned())]),
            in_ci,
        }
    }

    #[test]
    fn a_known_skip_is_a_skip_everywhere() {
        for in_ci in [false, true] {
            let outcome = skips(in_ci).judge(Outcome::skipped("known", "offline"));
            assert_eq!((outcome.failed, outcome.skips.len()), (0, 1));
        }
    }

    #[test]
    fn an_unknown_skip_fails_in_ci() {
        let outcome = skips(true).judge(Outcome::skipped("new", "no reason"));
        assert_eq!((outcome.failed, outcome.skips.len()), (1, 0));
        assert!(outcome.tail.contains("`new`"), "{}", outcome.tail);
        let outcome = skips(false).judge(Outcome::skipped("new", "no reason"));
        assert_eq!((outcome.failed, outcome.skips.len()), (0, 1));
    }

    #[test]
    fn the_list_that_is_kept_here_is_well_formed() {
        let skips = Skips::read(&Repo::find().unwrap()).unwrap();
        assert!(skips.known.values().all(|reason| !reason.trim().is_empty()));
    }
}
