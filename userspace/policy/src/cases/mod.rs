//! Cases beside a policy: facts in, expected verdict and rule out.
//!
//! ```yaml
//! cases:
//!   - name: npm may read the registry
//!     job: { repository: acme/payments, ref: refs/heads/main, job: deploy }
//!     pipeline: payments
//!     lineage: [/usr/bin/bash, { exe: /usr/bin/npm, argv: [npm, ci] }]
//!     host: registry.npmjs.org
//!     http: { method: GET, path: /left-pad }
//!     expect: { verdict: allow, rule: npm-reads-the-registry }
//! ```

mod keys;
mod read;

use sluice_flow::{Decision, HostFact, Job, Lineage, Operation, Statement, Verdict};

use crate::diagnostic::{PolicyErrors, Span};
use crate::explain::Explanation;
use crate::flow::FlowFacts;
use crate::permit::Admission;
use crate::set::PolicySet;

/// Parses SQL into statements; given by who has a parser.
pub type SqlParser<'s> = &'s dyn Fn(&str) -> Vec<Statement>;

/// One case as it is read.
#[derive(Debug)]
struct Case {
    name: String,
    span: Span,
    job: Job,
    lineage: Lineage,
    ip: std::net::IpAddr,
    port: u16,
    host: HostFact,
    claims: Option<String>,
    /// `None` judges the connection itself.
    operation: Option<Operation>,
    /// Of its answer: that is what is judged.
    status: Option<u16>,
    expect: Expect,
}

/// What a case expects.
#[derive(Debug)]
struct Expect {
    verdict: &'static str,
    rule: Option<String>,
    would_be: Option<&'static str>,
    masks: Option<Vec<String>>,
    expected: Option<bool>,
}

/// What came of a case.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// The file that it stands in.
    pub file: String,
    /// Where in it.
    pub span: Span,
    /// What was not as expected, each in one sentence; empty where all was.
    pub failures: Vec<String>,
    /// Why, for a case about an operation.
    pub explanation: Option<Explanation>,
}

impl CaseResult {
    /// Whether all was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs the cases of a file against a set.
///
/// # Errors
/// All that is wrong with the text of the cases; then none is run.
pub fn run_cases(
    set: &PolicySet,
    file: &str,
    text: &str,
    sql: SqlParser<'_>,
) -> Result<Vec<CaseResult>, PolicyErrors> {
    let cases = read::cases(file, text, sql)?;
    Ok(cases.iter().map(|case| run(set, file, case)).collect())
}

fn run(set: &PolicySet, file: &str, case: &Case) -> CaseResult {
    let policy = set.for_job(&case.job);
    let facts = FlowFacts {
        lineage: &case.lineage,
        ip: case.ip,
        port: case.port,
        host: &case.host,
    };
    let flow = policy.flow(facts);
    let host = match &case.claims {
        Some(claimed) => case.host.claim(claimed, case.ip),
        None => case.host.clone(),
    };
    let (failures, explanation) = match &case.operation {
        None => (case.expect.of_connection(flow.admit()), None),
        Some(operation) => {
            let explanation = policy.explain(facts, operation, case.status, &host);
            let mut failures = case.expect.of_verdict(&explanation.verdict);
            let masks: Vec<String> = flow
                .masks_for(operation, case.status, &host)
                .into_iter()
                .map(|mask| mask.name)
                .collect();
            if let Some(wanted) = case
                .expect
                .masks
                .as_ref()
                .filter(|wanted| **wanted != masks)
            {
                let list = |names: &[String]| format!("[{}]", names.join(", "));
                failures.push(format!(
                    "masks: expected {}, got {}",
                    list(wanted),
                    list(&masks)
                ));
            }
            (failures, Some(explanation))
        }
    };
    CaseResult {
        name: case.name.clone(),
        file: file.to_owned(),
        span: case.span,
        failures,
        explanation,
    }
}

impl Expect {
    fn of_connection(&self, admission: Admission) -> Vec<String> {
        match admission {
            Admission::Permit(_) => unlike("verdict", Some(self.verdict), "allow"),
            Admission::Refuse(verdict) => self.of_verdict(&verdict),
        }
    }

    fn of_verdict(&self, verdict: &Verdict) -> Vec<String> {
        let mut failures = unlike("verdict", Some(self.verdict), verdict.decision.word());
        let would_be = verdict
            .would_be
            .as_ref()
            .map_or("nothing else", Decision::word);
        failures.extend(unlike("would_be", self.would_be, would_be));
        if let Some(wanted) = &self.rule {
            let named =
                |rule: &sluice_flow::RuleRef| rule.rule == *wanted || rule.to_string() == *wanted;
            if !verdict.rules.iter().any(named) {
                let rules: Vec<String> = verdict.rules.iter().map(ToString::to_string).collect();
                failures.push(format!("rule: expected {wanted}, got {}", rules.join(", ")));
            }
        }
        if let Some(wanted) = self.expected.filter(|wanted| *wanted != verdict.expected) {
            failures.push(format!(
                "expected: wanted {wanted}, got {}",
                verdict.expected
            ));
        }
        failures
    }
}

fn unlike(what: &str, wanted: Option<&str>, got: &str) -> Vec<String> {
    match wanted {
        Some(wanted) if wanted != got => vec![format!("{what}: expected {wanted}, got {got}")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
