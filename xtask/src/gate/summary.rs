//! The table at the end of the gate, and its last line.

use super::Done;

/// The counts of all steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

pub(super) fn print(done: &[Done]) -> Totals {
    println!();
    for step in done {
        println!("{:10} {}", step.name, line(step));
    }
    for step in done {
        for skip in &step.outcome.skips {
            println!("skipped: {}: {}: {}", step.name, skip.name, skip.reason);
        }
    }
    for step in done.iter().filter(|step| step.outcome.failed > 0) {
        println!("\n=== {} failed ===\n{}", step.name, step.outcome.tail);
    }
    let totals = totals(done);
    println!();
    // Others read this line: its form stays.
    println!("{}", last_line(totals));
    totals
}

fn last_line(totals: Totals) -> String {
    let Totals {
        passed,
        failed,
        skipped,
    } = totals;
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

fn totals(done: &[Done]) -> Totals {
    done.iter().fold(Totals::default(), |sum, step| Totals {
        passed: sum.passed + step.outcome.passed,
        failed: sum.failed + step.outcome.failed,
        skipped: sum.skipped + step.outcome.skips.len(),
    })
}

/// One step's outcome and time.
pub(super) fn line(done: &Done) -> String {
    let outcome = &done.outcome;
    let state = match (outcome.failed, outcome.passed) {
        (0, 0) => "skipped",
        (0, _) => "ok",
        _ => "FAILED",
    };
    let seconds = done.took.as_secs_f64();
    let counts = Totals {
        passed: outcome.passed,
        failed: outcome.failed,
        skipped: outcome.skips.len(),
    };
    format!("{state:8} {seconds:6.1} s  {}", last_line(counts))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::outcome::Outcome;

    fn done(outcome: Outcome) -> Done {
        Done {
            name: "x",
            took: Duration::from_millis(1500),
            outcome,
        }
    }

    #[test]
    fn the_last_line_has_its_form() {
        let steps = [
            done(Outcome {
                passed: 20,
                ..Outcome::default()
            }),
            done(Outcome::failed("no")),
            done(Outcome::skipped("a", "b")),
        ];
        assert_eq!(last_line(totals(&steps)), "20 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_step_says_its_state_and_time() {
        assert!(line(&done(Outcome::passed())).starts_with("ok          1.5 s"));
        assert!(line(&done(Outcome::failed("no"))).starts_with("FAILED"));
        assert!(line(&done(Outcome::skipped("a", "b"))).starts_with("skipped"));
    }
}
