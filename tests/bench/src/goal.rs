//! Goals, as bounds on what was found, and whether they are met.

use crate::findings::Findings;
use crate::stats::{median, paired_difference, paired_ratio};
use crate::table::number;

/// A difference smaller than this is no evidence on a shared machine of two cores.
const NOISE: f64 = 0.08;

/// The path of the product, with everything on but masking.
pub(crate) const SLUICE: &str = "sluice";
/// The path without anything between.
pub(crate) const DIRECT: &str = "direct";

/// With what a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// With nothing: the value itself is bounded.
    Nothing,
    /// As a multiple of another path's.
    Ratio(&'static str),
    /// As what it adds to another path's.
    Added(&'static str),
}

/// Where the goal is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// How the measured value stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Met,
    /// Missed by less than the machine's noise.
    WithinNoise,
    Missed,
    NotMeasured,
}

impl Standing {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::WithinNoise => "within noise",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

/// A goal for one metric of one path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    pub(crate) case: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) path: &'static str,
    pub(crate) against: Against,
    pub(crate) bound: Bound,
}

impl Goal {
    /// A goal for [`SLUICE`].
    pub(crate) const fn new(
        case: &'static str,
        metric: &'static str,
        against: Against,
        bound: Bound,
    ) -> Self {
        let path = SLUICE;
        Self {
            case,
            metric,
            path,
            against,
            bound,
        }
    }

    /// The same for another path.
    pub(crate) const fn of(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// What is asked, for a person: `at least 0.65 of direct`.
    pub(crate) fn asked(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        let bound = number(bound);
        match self.against {
            Against::Nothing => format!("{word} {bound}"),
            Against::Ratio(path) => format!("{word} {bound} of {path}"),
            Against::Added(path) => format!("{word} {bound} more than {path}"),
        }
    }

    /// What was measured, in the terms of the goal.
    pub(crate) fn measured(&self, findings: &Findings) -> Option<f64> {
        let values = findings.values(self.case, self.metric, self.path);
        let base = |path| findings.values(self.case, self.metric, path);
        match self.against {
            Against::Nothing => median(values),
            Against::Ratio(path) => paired_ratio(values, base(path)),
            Against::Added(path) => paired_difference(values, base(path)),
        }
    }

    /// Whether it is met.
    pub(crate) fn standing(&self, findings: &Findings) -> Standing {
        let Some(measured) = self.measured(findings) else {
            return Standing::NotMeasured;
        };
        let (met, near) = match self.bound {
            Bound::AtLeast(bound) => (measured >= bound, measured >= bound * (1.0 - NOISE)),
            Bound::AtMost(bound) => (measured <= bound, measured <= bound * (1.0 + NOISE)),
        };
        match (met, near) {
            (true, _) => Standing::Met,
            (false, true) => Standing::WithinNoise,
            (false, false) => Standing::Missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Metric;

    fn findings(direct: &[f64], sluice: &[f64]) -> Findings {
        let mut findings = Findings::new("s", Vec::new());
        for (path, values) in [(DIRECT, direct), (SLUICE, sluice)] {
            for value in values {
                findings.add("c", Metric::new("m", "u"), path, *value);
            }
        }
        findings
    }

    #[test]
    fn bounds_on_ratios() {
        let goal = Goal::new("c", "m", Against::Ratio(DIRECT), Bound::AtLeast(0.5));
        for (sluice, want) in [
            (5.0, Standing::Met),
            (4.61, Standing::WithinNoise),
            (4.59, Standing::Missed),
        ] {
            assert_eq!(
                goal.standing(&findings(&[10.0], &[sluice])),
                want,
                "{sluice}"
            );
        }
        assert_eq!(goal.asked(), "at least 0.500 of direct");
    }

    #[test]
    fn bounds_on_what_is_added() {
        let goal = Goal::new("c", "m", Against::Added(DIRECT), Bound::AtMost(75.0));
        for (sluice, want) in [
            (135.0, Standing::Met),
            (140.9, Standing::WithinNoise),
            (141.1, Standing::Missed),
        ] {
            assert_eq!(
                goal.standing(&findings(&[60.0], &[sluice])),
                want,
                "{sluice}"
            );
        }
        assert_eq!(goal.asked(), "at most 75.0 more than direct");
    }

    #[test]
    fn a_bound_on_the_value_itself_needs_no_other_path() {
        let goal = Goal::new("c", "m", Against::Nothing, Bound::AtMost(2.0));
        assert_eq!(
            goal.standing(&findings(&[], &[1.0, 3.0, 2.0])),
            Standing::Met
        );
        assert_eq!(goal.asked(), "at most 2.00");
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let goal = Goal::new("c", "m", Against::Ratio(DIRECT), Bound::AtLeast(0.5));
        assert_eq!(goal.standing(&findings(&[1.0], &[])), Standing::NotMeasured);
        assert_eq!(goal.standing(&findings(&[], &[1.0])), Standing::NotMeasured);
        let other = goal.of("nginx");
        assert_eq!(
            other.standing(&findings(&[1.0], &[1.0])),
            Standing::NotMeasured
        );
    }
}
