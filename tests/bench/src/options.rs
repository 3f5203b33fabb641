//! The command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::effort::Effort;

/// What the bench says about itself.
pub(crate) const USAGE: &str = "\
Speed and memory of sluice, side by side with direct and with the peers that Debian has.

Usage: cargo xtask bench [-- OPTIONS]

  --quick            Small measurements: shows that everything works, the numbers mean little
  --only SCENARIO    Only this one; may be given several times
  --rounds N         How often the paths take turns (5; quick: 2)
  --json FILE        Write everything into this file, instead of target/bench/SCENARIO.json
  --congestion NAME  TCP congestion control while measuring (cubic); `host` leaves the host's
  --help             This text
";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) effort: Effort,
    pub(crate) quick: bool,
    /// Empty: all.
    pub(crate) only: Vec<String>,
    /// `None`: a file a scenario, in target/bench.
    pub(crate) json: Option<PathBuf>,
    /// `None`: the host's stays.
    pub(crate) congestion: Option<String>,
}

impl Options {
    /// Reads the arguments. `known` are the names of scenarios.
    pub(crate) fn read(arguments: &[String], known: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self {
            effort: Effort::full(),
            quick: false,
            only: Vec::new(),
            json: None,
            congestion: Some("cubic".to_owned()),
        };
        let mut rounds = None;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next().cloned();
                value.with_context(|| format!("{argument} needs a value; see --help"))
            };
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--only" => options.only.push(scenario(value()?, known)?),
                "--rounds" => rounds = Some(value()?.parse().context("--rounds needs a number")?),
                "--json" => options.json = Some(value()?.into()),
                "--congestion" => options.congestion = Some(value()?).filter(|name| name != "host"),
                _ => bail!("unknown option {argument}; see --help"),
            }
        }
        if options.quick {
            options.effort = Effort::quick();
        }
        if let Some(rounds) = rounds {
            if rounds == 0 {
                bail!("--rounds must be 1 at least");
            }
            options.effort.rounds = rounds;
        }
        Ok(options)
    }

    /// Whether a scenario is to be run.
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario)
    }
}

fn scenario(name: String, known: &[&str]) -> anyhow::Result<String> {
    if !known.contains(&name.as_str()) {
        bail!("no scenario {name}; there are: {}", known.join(", "));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> anyhow::Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words, &["bulk", "http"])
    }

    #[test]
    fn without_options_everything_is_measured() {
        let options = read("").unwrap();
        assert!(options.wants("bulk") && options.wants("http"));
        assert_eq!(options.effort.rounds, 5);
        assert_eq!(options.congestion.as_deref(), Some("cubic"));
        assert!(options.json.is_none());
    }

    #[test]
    fn options_are_read() {
        let options =
            read("--quick --only bulk --rounds 7 --json x.json --congestion host").unwrap();
        assert!(options.quick && options.wants("bulk") && !options.wants("http"));
        assert_eq!(options.effort.rounds, 7);
        assert_eq!(options.effort.flows, Effort::quick().flows);
        assert_eq!(options.json, Some("x.json".into()));
        assert_eq!(options.congestion, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, want) in [
            ("--only dance", "bulk, http"),
            ("--only", "--only"),
            ("--rounds x", "--rounds"),
            ("--rounds 0", "--rounds"),
            ("--fast", "--fast"),
        ] {
            let error = read(line).unwrap_err();
            assert!(format!("{error:#}").contains(want), "{line}: {error:#}");
        }
    }
}
