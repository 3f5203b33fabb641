//! The steps of the gate, in the order in which they run: quick ones first.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Gate;
use super::libtest;
use super::outcome::Outcome;
use crate::build::{self, Profile};
use crate::fuzz;
use crate::process::{Ended, Run};
use crate::workspace::{Package, Workspace};

/// One check.
pub(super) struct Step {
    pub(super) name: &'static str,
    /// What it checks, in a few words.
    pub(super) about: &'static str,
    pub(super) run: fn(&Gate<'_>) -> Result<Outcome>,
}

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "formatting of every workspace",
        run: fmt,
    },
    Step {
        name: "tidy",
        about: "house rules that no compiler checks",
        run: tidy,
    },
    Step {
        name: "layers",
        about: "the direction of use, and purity",
        run: layers,
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of dependencies",
        run: deny,
    },
    Step {
        name: "advisories",
        about: "known faults of dependencies",
        run: advisories,
    },
    Step {
        name: "clippy",
        about: "lints, as errors",
        run: clippy,
    },
    Step {
        name: "doc",
        about: "documentation without a broken link",
        run: doc,
    },
    Step {
        name: "build",
        about: "everything, as the tests use it",
        run: build,
    },
    Step {
        name: "unit",
        about: "unit, property and integration tests",
        run: unit,
    },
    Step {
        name: "policies",
        about: "the cases beside the shipped policies",
        run: policies,
    },
    Step {
        name: "e2e",
        about: "real clients and servers, as root",
        run: end_to_end,
    },
    Step {
        name: "fuzz",
        about: "each fuzz target from its corpus",
        run: fuzz_targets,
    },
    Step {
        name: "demo",
        about: "the demo, as promised",
        run: demo,
    },
];

/// Nothing but a fuzzer or a first build takes this long; what does hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Workspaces beside the main one: the kernel programs and the fuzz targets.
const OTHER_WORKSPACES: &[&str] = &["ebpf/programs", "tests/fuzz"];

impl Gate<'_> {
    fn cargo(&self) -> Run {
        Run::cargo(self.repo.root())
    }

    /// This program again, for a task that stands by itself.
    fn task(&self, name: &str) -> Result<Run> {
        let ourselves = std::env::current_exe().context("finding this program")?;
        Ok(Run::new(ourselves, self.repo.root()).args([name]))
    }

    fn capture(&self, name: &str, run: Run) -> Result<Ended> {
        let log = self.repo.target().join("gate").join(format!("{name}.log"));
        run.env("CARGO_TERM_COLOR", "never")
            .limit(LIMIT)
            .capture(&log, self.options.verbose)
    }

    fn yes_or_no(&self, name: &str, run: Run) -> Result<Outcome> {
        Ok(Outcome::of(&self.capture(name, run)?))
    }
}

fn fmt(gate: &Gate<'_>) -> Result<Outcome> {
    let mut outcome = gate.yes_or_no(
        "fmt",
        gate.cargo()
            .args(["fmt", "--all", "--check", "--", "--color", "never"]),
    )?;
    for folder in OTHER_WORKSPACES {
        let manifest = gate.repo.path(folder).join("Cargo.toml");
        if manifest.is_file() {
            let run = gate
                .cargo()
                .args(["fmt", "--check", "--manifest-path"])
                .args([&manifest]);
            let name = format!("fmt-{}", folder.replace('/', "-"));
            outcome = outcome.and(gate.yes_or_no(&name, run)?);
        }
    }
    Ok(outcome)
}

fn tidy(gate: &Gate<'_>) -> Result<Outcome> {
    gate.yes_or_no("tidy", gate.task("tidy")?)
}

fn layers(gate: &Gate<'_>) -> Result<Outcome> {
    gate.yes_or_no("layers", gate.task("layers")?)
}

fn cargo_deny(gate: &Gate<'_>) -> Run {
    Run::new(gate.repo.tools().join("bin/cargo-deny"), gate.repo.root()).args([
        "--all-features",
        "--locked",
        "check",
        "--hide-inclusion-graph",
    ])
}

fn deny(gate: &Gate<'_>) -> Result<Outcome> {
    gate.yes_or_no(
        "deny",
        cargo_deny(gate).args(["licenses", "bans", "sources"]),
    )
}

/// The only check that needs the network when all else is there.
fn advisories(gate: &Gate<'_>) -> Result<Outcome> {
    let ended = gate.capture("advisories", cargo_deny(gate).args(["advisories"]))?;
    if !ended.success && ended.output.contains("failed to fetch advisory database") {
        return Ok(Outcome::skipped(
            "advisories",
            "the advisory database cannot be fetched here",
        ));
    }
    Ok(Outcome::of(&ended))
}

fn clippy(gate: &Gate<'_>) -> Result<Outcome> {
    let run = gate
        .cargo()
        .args(["clippy", "--workspace", "--all-targets", "--locked"]);
    gate.yes_or_no("clippy", run.args(["--", "-D", "warnings"]))
}

fn doc(gate: &Gate<'_>) -> Result<Outcome> {
    let run = gate
        .cargo()
        .args(["doc", "--workspace", "--no-deps", "--locked"]);
    gate.yes_or_no("doc", run.env("RUSTDOCFLAGS", "-D warnings"))
}

fn build(gate: &Gate<'_>) -> Result<Outcome> {
    // All targets at once, so that the tests and the binary that they run share every crate.
    let run = gate
        .cargo()
        .args(["build", "--workspace", "--all-targets", "--locked"]);
    gate.yes_or_no("build", run)
}

fn unit(gate: &Gate<'_>) -> Result<Outcome> {
    let end_to_end = end_to_end_packages(&Workspace::members(gate.repo)?);
    let excluded = end_to_end
        .iter()
        .flat_map(|package| ["--exclude", &package.name]);
    let run = gate
        .cargo()
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .args(excluded)
        .args(["--", "--show-output"])
        .envs(gate.repo.environment(Profile::TESTED.dir()));
    Ok(libtest::outcome(&gate.capture("unit", run)?))
}

fn policies(gate: &Gate<'_>) -> Result<Outcome> {
    let folder = gate.repo.path("policies");
    let shipped = folder
        .read_dir()
        .context("reading policies/")?
        .next()
        .is_some();
    if !shipped {
        return Ok(Outcome::skipped("policies", "policies/ is empty"));
    }
    let sluice = gate.repo.binary("sluice", Profile::TESTED.dir());
    let run = Run::new(sluice, gate.repo.root()).args(["policy", "test", "policies/"]);
    gate.yes_or_no("policies", run)
}

/// Members below `tests/`: they start servers, attach kernel programs, and need root for it.
fn end_to_end_packages(workspace: &Workspace) -> Vec<Package> {
    let below_tests = workspace.packages.iter().filter(|package| {
        let above = package.manifest_path.ancestors().nth(2);
        above
            .and_then(|above| above.file_name())
            .is_some_and(|name| name == "tests")
    });
    below_tests.cloned().collect()
}

fn end_to_end(gate: &Gate<'_>) -> Result<Outcome> {
    let packages = end_to_end_packages(&Workspace::members(gate.repo)?);
    let mut outcome = Outcome::default();
    for package in &packages {
        for program in test_programs(gate, &package.name)? {
            let name = program
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let folder = package
                .manifest_path
                .parent()
                .context("a manifest without a folder")?;
            let run = Run::new(&program, folder)
                .args(["--show-output", "--test-threads", &test_threads(package)])
                .envs(gate.repo.environment(Profile::TESTED.dir()))
                .env("CARGO_MANIFEST_DIR", folder)
                .with_root();
            outcome = outcome.and(libtest::outcome(
                &gate.capture(&format!("e2e-{name}"), run)?,
            ));
        }
    }
    if outcome == Outcome::default() {
        return Ok(Outcome::skipped("e2e", "no member below tests/ has a test"));
    }
    Ok(outcome)
}

/// One at a time, as kernel programs are for the whole host, unless the package says that its
/// tests keep apart: `[package.metadata.sluice] test-threads = N`.
fn test_threads(package: &Package) -> String {
    let said = package
        .metadata
        .as_ref()
        .and_then(|data| data.pointer("/sluice/test-threads"));
    said.and_then(serde_json::Value::as_u64)
        .unwrap_or(1)
        .to_string()
}

/// The test programs of a package, built by whoever we are, so that root owns nothing of it.
fn test_programs(gate: &Gate<'_>, package: &str) -> Result<Vec<std::path::PathBuf>> {
    let said = gate
        .cargo()
        .args([
            "test",
            "--package",
            package,
            "--locked",
            "--no-run",
            "--message-format",
            "json",
        ])
        .read()?;
    Ok(programs(&said))
}

/// Executables in cargo's messages that were built with the test harness.
fn programs(messages: &str) -> Vec<std::path::PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let programs = messages.filter_map(|message: serde_json::Value| {
        let is_test = message.pointer("/profile/test")?.as_bool()?;
        let program = message.get("executable")?.as_str()?;
        is_test.then(|| program.into())
    });
    programs.collect()
}

fn fuzz_targets(gate: &Gate<'_>) -> Result<Outcome> {
    let seconds = if gate.options.quick { 10 } else { 60 };
    let mut outcome = Outcome::default();
    if fuzz::targets(gate.repo)?.is_empty() {
        return Ok(Outcome::skipped("fuzz", "there is no fuzz target yet"));
    }
    for result in fuzz::all_targets(gate.repo, seconds)? {
        outcome = outcome.and(match result {
            Ok(_) => Outcome::passed(),
            Err(error) => Outcome::failed(format!("{error:#}")),
        });
    }
    Ok(outcome)
}

fn demo(gate: &Gate<'_>) -> Result<Outcome> {
    if Workspace::members(gate.repo)?.member(build::DEMO).is_none() {
        return Ok(Outcome::skipped("demo", "the workspace has no demo yet"));
    }
    gate.yes_or_no("demo", build::run_demo(gate.repo, Profile::TESTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_with_tests_are_run() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/a"}
{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/b"}
{"reason":"compiler-artifact","profile":{"test":true},"executable":null}
not json
{"reason":"build-finished","success":true}
"#;
        assert_eq!(programs(messages), [std::path::PathBuf::from("/t/a")]);
    }

    #[test]
    fn end_to_end_packages_are_those_below_tests() {
        let text = r#"{"packages": [
            {"id": "a", "name": "a", "version": "1.0.0", "manifest_path": "/c/tests/e2e/Cargo.toml",
             "metadata": {"sluice": {"test-threads": 2}}},
            {"id": "b", "name": "b", "version": "1.0.0", "manifest_path": "/c/userspace/b/Cargo.toml"}
        ]}"#;
        let workspace: Workspace = serde_json::from_str(text).unwrap();
        let packages = end_to_end_packages(&workspace);
        assert_eq!(
            packages
                .iter()
                .map(|package| &package.name)
                .collect::<Vec<_>>(),
            ["a"]
        );
        assert_eq!(test_threads(&packages[0]), "2");
        assert_eq!(test_threads(&workspace.packages[1]), "1");
    }

    #[test]
    fn steps_have_names_of_their_own() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(
                STEPS[..index].iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
        }
    }
}
