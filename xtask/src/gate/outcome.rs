//! What a step came to.

use crate::process::Ended;

/// How many last lines of a failed program are shown.
const TAIL_LINES: usize = 40;

/// Something that was not checked, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) name: String,
    pub(super) reason: String,
}

/// The counts of one step, and what a reader needs when it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skips: Vec<Skip>,
    /// Why it failed; empty when it did not.
    pub(super) tail: String,
}

impl Outcome {
    pub(super) fn passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self {
            failed: 1,
            tail: why.into(),
            ..Self::default()
        }
    }

    pub(super) fn skipped(name: &str, reason: &str) -> Self {
        let skip = Skip {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        Self {
            skips: vec![skip],
            ..Self::default()
        }
    }

    /// A program that says yes or no with its exit status.
    pub(super) fn of(ended: &Ended) -> Self {
        if ended.success {
            Self::passed()
        } else {
            Self::failed(tail(ended))
        }
    }

    /// Both, as one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skips.extend(other.skips);
        if !self.tail.is_empty() && !other.tail.is_empty() {
            self.tail.push('\n');
        }
        self.tail.push_str(&other.tail);
        self
    }
}

/// The last lines of a program that failed.
pub(super) fn tail(ended: &Ended) -> String {
    let lines: Vec<_> = ended.output.lines().collect();
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    let mut tail = lines
        .into_iter()
        .skip(skipped)
        .collect::<Vec<_>>()
        .join("\n");
    if ended.timed_out {
        tail.push_str("\nstopped: it ran longer than the gate lets it");
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up() {
        let sum = Outcome::passed()
            .and(Outcome::failed("one"))
            .and(Outcome::skipped("a", "b"))
            .and(Outcome::failed("two"));
        assert_eq!((sum.passed, sum.failed, sum.skips.len()), (1, 2, 1));
        assert_eq!(sum.tail, "one\ntwo");
    }

    #[test]
    fn the_tail_is_the_end() {
        let output: String = (0..100).map(|number| format!("{number}\n")).collect();
        let ended = Ended {
            success: false,
            timed_out: true,
            output,
        };
        let tail = tail(&ended);
        assert!(tail.starts_with("60\n"), "{tail}");
        assert!(tail.contains("\n99\nstopped:"), "{tail}");
    }
}
