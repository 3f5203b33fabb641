//! What a scenario found: values by case, metric, path and round; failures; goals; gaps.

use crate::goal::Goal;

/// What is counted, and in which unit; higher or lower is better as the goal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
}

impl Metric {
    pub(crate) const fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit }
    }
}

/// The values of one path, a round each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) case: String,
    pub(crate) metric: Metric,
    pub(crate) path: &'static str,
    pub(crate) values: Vec<f64>,
}

/// A path that could not be measured.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) case: String,
    pub(crate) path: &'static str,
    pub(crate) why: String,
}

/// Everything that one scenario found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) scenario: &'static str,
    pub(crate) series: Vec<Series>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) goals: Vec<Goal>,
    /// What was not measured, and why.
    pub(crate) gaps: Vec<String>,
}

impl Findings {
    pub(crate) fn new(scenario: &'static str, goals: Vec<Goal>) -> Self {
        Self {
            scenario,
            goals,
            ..Self::default()
        }
    }

    /// Adds the value of a further round.
    pub(crate) fn add(&mut self, case: &str, metric: Metric, path: &'static str, value: f64) {
        let same = |s: &&mut Series| s.case == case && s.metric == metric && s.path == path;
        if let Some(series) = self.series.iter_mut().find(same) {
            return series.values.push(value);
        }
        self.series.push(Series {
            case: case.to_owned(),
            metric,
            path,
            values: vec![value],
        });
    }

    /// Notes that a path gave up; the caller leaves it out of the rounds that follow.
    pub(crate) fn fail(&mut self, case: &str, path: &'static str, why: &anyhow::Error) {
        self.failures.push(Failure {
            case: case.to_owned(),
            path,
            why: format!("{why:#}"),
        });
    }

    /// Notes what was not measured.
    pub(crate) fn gap(&mut self, what: impl Into<String>) {
        self.gaps.push(what.into());
    }

    /// The rounds of a path, none where it was not measured.
    pub(crate) fn values(&self, case: &str, metric: &str, path: &str) -> &[f64] {
        let found = self
            .series
            .iter()
            .find(|s| s.case == case && s.metric.name == metric && s.path == path);
        found.map_or(&[], |series| series.values.as_slice())
    }

    /// Whether the path gave up in this case.
    pub(crate) fn gave_up(&self, case: &str, path: &str) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.case == case && failure.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Metric = Metric::new("rate", "GB/s");
    const CPU: Metric = Metric::new("CPU", "s/GB");

    #[test]
    fn values_are_kept_by_case_metric_and_path() {
        let mut findings = Findings::new("bulk", Vec::new());
        findings.add("up", RATE, "direct", 1.0);
        findings.add("up", RATE, "sluice", 2.0);
        findings.add("up", RATE, "direct", 3.0);
        findings.add("up", CPU, "direct", 4.0);
        findings.add("down", RATE, "direct", 5.0);
        assert_eq!(findings.values("up", "rate", "direct"), [1.0, 3.0]);
        assert_eq!(findings.values("up", "rate", "sluice"), [2.0]);
        assert_eq!(findings.values("up", "CPU", "direct"), [4.0]);
        assert_eq!(findings.values("down", "rate", "direct"), [5.0]);
        assert!(findings.values("down", "rate", "nginx").is_empty());
    }

    #[test]
    fn a_path_gives_up_in_one_case_only() {
        let mut findings = Findings::new("bulk", Vec::new());
        findings.fail(
            "up",
            "sluice",
            &anyhow::anyhow!("refused").context("client"),
        );
        assert!(findings.gave_up("up", "sluice"));
        assert!(!findings.gave_up("down", "sluice"));
        assert!(!findings.gave_up("up", "direct"));
        assert_eq!(findings.failures[0].why, "client: refused");
    }
}
