//! What a verdict takes, with a thousand rules.

use super::programs;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, Goal, SLUICE};

const TIME: Metric = Metric::new("a verdict", "us");
const PREPARED: Metric = Metric::new("a flow prepared", "us");

const CASES: [&str; 6] = [
    "a host each",
    "one host, a path each",
    "one host, a wild path each",
    "a program each",
    "a table each",
    "half of them deny",
];

pub(super) fn run(_: &Effort) -> anyhow::Result<Findings> {
    let goal = |case| Goal::new(case, TIME.name, Against::Nothing, Bound::AtMost(2.0));
    let mut findings = Findings::new("verdict", CASES.map(goal).to_vec());
    if let Some(out) = programs::run("decide", "sluice-policy", &mut findings)? {
        for (case, flow, verdict) in out.lines().filter_map(line) {
            findings.add(case, PREPARED, SLUICE, flow);
            findings.add(case, TIME, SLUICE, verdict);
        }
    }
    Ok(findings)
}

/// `a host each    flow    12 us  http    340 ns  postgres    50 ns`: the case, the us to
/// prepare a flow, and the us of the slower verdict.
fn line(line: &str) -> Option<(&str, f64, f64)> {
    let (case, rest) = line.split_once("  ")?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |label: &str| {
        let at = words.iter().position(|word| *word == label)?;
        words.get(at + 1)?.parse::<f64>().ok()
    };
    let verdict = number("http")?.max(number("postgres")?) / 1e3;
    Some((case.trim(), number("flow")?, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_verdict_counts() {
        let text = "a host each                  flow    12 us  http    340 ns  postgres     50 ns";
        assert_eq!(line(text), Some(("a host each", 12.0, 0.34)));
        assert_eq!(line("1000 rules, ns a verdict (median of 9 rounds)"), None);
        assert_eq!(line(""), None);
    }
}
