//! What `cargo test` and test programs print, counted.

use super::outcome::{Outcome, Skip, tail};
use crate::process::Ended;

/// How much of a failed test's own output is shown.
const FAILURE_LINES: usize = 30;

/// The counts of all test programs in an output.
///
/// A test that finds that it cannot check anything prints `skipped: NAME: REASON` and returns;
/// libtest takes it as passed, we do not. An ignored test is a skip, too.
pub(super) fn outcome(ended: &Ended) -> Outcome {
    let mut outcome = Outcome::default();
    let mut skipped_by_themselves = 0;
    for line in ended.output.lines() {
        if let Some((passed, failed)) = result(line) {
            outcome.passed += passed;
            outcome.failed += failed;
        } else if let Some(skip) = skip(line) {
            skipped_by_themselves += 1;
            outcome.skips.push(skip);
        } else if let Some(skip) = ignored(line) {
            outcome.skips.push(skip);
        }
    }
    outcome.passed = outcome.passed.saturating_sub(skipped_by_themselves);
    if !ended.success {
        // A program that did not come to its end has no line that counts it.
        outcome.failed = outcome.failed.max(1);
        outcome.tail = why(ended);
    }
    outcome
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in …`
fn result(line: &str) -> Option<(usize, usize)> {
    let counts = line.strip_prefix("test result: ")?;
    let count = |what: &str| {
        let (before, _) = counts.split_once(what)?;
        before.trim_end().rsplit(' ').next()?.parse().ok()
    };
    Some((count("passed;")?, count("failed;")?))
}

fn skip(line: &str) -> Option<Skip> {
    let (name, reason) = line
        .trim_start()
        .strip_prefix("skipped: ")?
        .split_once(": ")?;
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| Skip {
        name: name.to_owned(),
        reason: reason.trim().to_owned(),
    })
}

/// `test a::b ... ignored`, with `, reason` when there is one.
fn ignored(line: &str) -> Option<Skip> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let reason = rest
        .strip_prefix(", ")
        .unwrap_or("ignored without a reason");
    Some(Skip {
        name: name.to_owned(),
        reason: reason.to_owned(),
    })
}

/// Names of the tests that failed and what they said; without any, the last lines.
fn why(ended: &Ended) -> String {
    let lines: Vec<_> = ended.output.lines().collect();
    let failed = lines
        .iter()
        .filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
    let mut shown: Vec<&str> = failed.copied().collect();
    if shown.is_empty() || ended.timed_out {
        return tail(ended);
    }
    // libtest prints `---- NAME stdout ----` for passed tests, too, when asked to show output;
    // those of failed tests stand below a line `failures:`.
    let mut in_failures = false;
    for line in lines {
        match line {
            "failures:" => in_failures = true,
            "successes:" => in_failures = false,
            _ if line.starts_with("test result:") => in_failures = false,
            _ if in_failures && shown.len() < FAILURE_LINES => shown.push(line),
            _ => {}
        }
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(success: bool, output: &str) -> Outcome {
        outcome(&Ended {
            success,
            timed_out: false,
            output: output.to_owned(),
        })
    }

    const GOOD: &str = "\
running 3 tests
test a ... ok
test b ... ignored, needs a kernel of its own
test c ... ok

successes:

---- c stdout ----
skipped: ipv6: no ::1 here

successes:
    a
    c

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests x

test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    const BAD: &str = "\
test a ... ok
test b ... FAILED

failures:

---- b stdout ----

thread 'b' panicked at x.rs:1:1:
left is not right

failures:
    b

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `-p x --lib`
";

    #[test]
    fn programs_are_summed_and_skips_are_no_passes() {
        let outcome = of(true, GOOD);
        assert_eq!((outcome.passed, outcome.failed), (5, 0));
        let names: Vec<_> = outcome
            .skips
            .iter()
            .map(|skip| skip.name.as_str())
            .collect();
        assert_eq!(names, ["b", "ipv6"]);
        assert_eq!(outcome.skips[0].reason, "needs a kernel of its own");
        assert_eq!(outcome.skips[1].reason, "no ::1 here");
        assert_eq!(outcome.tail, "");
    }

    #[test]
    fn a_failure_is_counted_and_quoted() {
        let outcome = of(false, BAD);
        assert_eq!((outcome.passed, outcome.failed), (1, 1));
        assert!(
            outcome.tail.starts_with("test b ... FAILED"),
            "{}",
            outcome.tail
        );
        assert!(
            outcome.tail.contains("left is not right"),
            "{}",
            outcome.tail
        );
    }

    #[test]
    fn a_build_that_broke_is_one_failure() {
        let outcome = of(false, "error[E0308]: mismatched types\n");
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert!(outcome.tail.contains("E0308"));
    }

    #[test]
    fn a_crash_after_good_programs_is_a_failure() {
        let outcome = of(
            false,
            &format!("{GOOD}error: process didn't exit: signal: 11\n"),
        );
        assert_eq!((outcome.passed, outcome.failed), (5, 1));
        assert!(outcome.tail.contains("signal: 11"));
    }

    #[test]
    fn prose_is_no_skip() {
        for line in [
            "skipped: two words: no",
            "skipped: alone",
            "it skipped: a: b",
        ] {
            assert_eq!(skip(line), None, "{line}");
        }
    }
}
