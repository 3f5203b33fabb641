//! `policy test`: the cases beside policies.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use sluice_flow::Statement;
use sluice_policy::{CaseResult, run_cases};

use super::policy::load;
use super::policy_files::{files, is_policy, is_test, sources};
use crate::paper::{Paint, look, one_line, print};

/// What came of all cases so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// Fails where a case does, or where there is none.
pub(super) fn run(named: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let paint = Paint::of_stdout();
    let mut tally = Tally::default();
    for cases in test_files(named)? {
        let results = results(&cases)?;
        print(&told(&results, paint))?;
        tally.add(&results);
    }
    let Tally { passed, failed } = tally;
    print(&format!("{passed} passed, {failed} failed\n"))?;
    Ok(if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Tally {
    fn add(&mut self, results: &[CaseResult]) {
        for result in results {
            if result.passed() {
                self.passed += 1;
            } else {
                self.failed += 1;
            }
        }
    }
}

/// Test files; of a policy that is named, the one beside it.
fn test_files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let beside = |path: &PathBuf| {
        if path.is_dir() || is_test(path) {
            path.clone()
        } else {
            path.with_extension("test.yaml")
        }
    };
    let named: Vec<PathBuf> = named.iter().map(beside).collect();
    files(&named, is_test)
}

fn results(cases: &Path) -> anyhow::Result<Vec<CaseResult>> {
    let text = std::fs::read_to_string(cases)
        .with_context(|| format!("cannot read the cases {}", cases.display()))?;
    let set = load(sources(&[tested(cases)])?).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let file = cases.display().to_string();
    run_cases(&set, &file, &text, &statements).map_err(|errors| anyhow::anyhow!("{errors}"))
}

/// What the cases are about: the policy of the same name, else all policies beside them.
fn tested(cases: &Path) -> PathBuf {
    let name = cases.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split(".test.").next().unwrap_or_default();
    let beside = ["yaml", "yml"].map(|end| cases.with_file_name(format!("{stem}.{end}")));
    let policy = beside
        .into_iter()
        .find(|path| path.is_file() && is_policy(path));
    policy.unwrap_or_else(|| match cases.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    })
}

/// The statements of a text, as the gate sees them.
fn statements(text: &str) -> Vec<Statement> {
    let analysed = sluice_protocols::sql::analyse(text);
    analysed
        .into_iter()
        .map(|analysed| analysed.statement)
        .collect()
}

/// A line a case; of one that failed, where it stands, what was not as expected, and why.
fn told(results: &[CaseResult], paint: Paint) -> String {
    let mut text = String::new();
    for result in results {
        let name = one_line(&result.name);
        if result.passed() {
            text.push_str(&format!("{}    {name}\n", paint.on(look::GOOD, "ok")));
            continue;
        }
        let place = format!("{}:{}", one_line(&result.file), result.span.line);
        text.push_str(&format!(
            "{}  {name}  ({place})\n",
            paint.on(look::BAD, "FAIL")
        ));
        for failure in &result.failures {
            text.push_str(&format!("      {}\n", one_line(failure)));
        }
        let why = result
            .explanation
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        for line in why.lines() {
            text.push_str(&format!("      {}\n", paint.on(look::DIM, &one_line(line))));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1\nname: p\nrules:\n  - name: reads\n    what: { postgres: { effect: [read] } }\n    then: allow\n";
    const CASES: &str = "cases:\n  - name: a read\n    lineage: [/bin/psql]\n    host: db.example.com\n    postgres: { sql: SELECT 1 }\n    expect: allow\n  - name: a drop is wrongly expected\n    lineage: [/bin/psql]\n    host: db.example.com\n    postgres: { sql: DROP TABLE t }\n    expect: allow\n";

    fn written() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("p.yaml"), POLICY).unwrap();
        std::fs::write(directory.path().join("p.test.yaml"), CASES).unwrap();
        directory
    }

    #[test]
    fn cases_run_against_the_policy_beside_them() {
        let directory = written();
        for named in [directory.path().to_owned(), directory.path().join("p.yaml")] {
            let files = test_files(&[named]).unwrap();
            assert_eq!(files, [directory.path().join("p.test.yaml")]);
        }
        let results = results(&directory.path().join("p.test.yaml")).unwrap();
        let mut tally = Tally::default();
        tally.add(&results);
        let want = Tally {
            passed: 1,
            failed: 1,
        };
        assert_eq!(tally, want);
        let text = told(&results, Paint::OFF);
        assert!(
            text.starts_with("ok    a read\nFAIL  a drop is wrongly expected  ("),
            "{text}"
        );
    }

    #[test]
    fn without_a_policy_of_that_name_all_beside_are_meant() {
        let directory = written();
        let cases = directory.path().join("other.test.yaml");
        assert_eq!(tested(&cases), directory.path());
        assert_eq!(tested(Path::new("x.test.yaml")), Path::new("."));
    }
}
