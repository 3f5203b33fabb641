use sluice_flow::{Effect, Statement};

use crate::limits::MAX_CASES;
use crate::testing::{policy, set, statement};
use crate::{CaseResult, Layer, PolicyErrors, PolicySet, run_cases};

fn sql(text: &str) -> Vec<Statement> {
    let of = |part: &str| match part.trim() {
        part if part.starts_with("select") => statement(Effect::Read, &["a.b"], &[]),
        _ => statement(Effect::Unknown, &[], &[]),
    };
    text.split(';').map(of).collect()
}

fn run_on(set: &PolicySet, cases: &str) -> Result<Vec<CaseResult>, PolicyErrors> {
    run_cases(set, "p.test.yaml", &format!("cases:\n{cases}"), &sql)
}

fn run(rest: &str, cases: &str) -> Vec<Vec<String>> {
    let set = set(&[(Layer::Repository, &policy(rest))]);
    let results = run_on(&set, cases).unwrap_or_else(|errors| panic!("{errors}"));
    results.into_iter().map(|result| result.failures).collect()
}

#[test]
fn shipped_policies_keep_their_promises() {
    for (name, text, cases) in [
        (
            "default-deny",
            include_str!("../../../../policies/default-deny.yaml"),
            include_str!("../../../../policies/default-deny.test.yaml"),
        ),
        (
            "ci-baseline",
            include_str!("../../../../policies/ci-baseline.yaml"),
            include_str!("../../../../policies/ci-baseline.test.yaml"),
        ),
        (
            "payments-ci",
            include_str!("../../../../policies/payments-ci.yaml"),
            include_str!("../../../../policies/payments-ci.test.yaml"),
        ),
    ] {
        let set = set(&[(Layer::Repository, text)]);
        let results =
            run_cases(&set, name, cases, &sql).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(results.len() >= 6, "{name}");
        for result in results {
            let why = result
                .explanation
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                result.passed(),
                "{name}: {}: {:?}\n{why}",
                result.name,
                result.failures
            );
        }
    }
}

#[test]
fn what_is_not_as_expected_is_told() {
    let rest =
        "rules: [{ name: r, then: deny, expected: true }]\nmask: [{ name: m, detect: email }]";
    let cases = "
  - { name: right, http: {}, expect: { verdict: deny, rule: r, expected: true, masks: [m] } }
  - { name: qualified, http: {}, expect: { verdict: deny, rule: p/r } }
  - { name: verdict, http: {}, expect: allow }
  - { name: rule, http: {}, expect: { verdict: deny, rule: other } }
  - { name: expected, http: {}, expect: { verdict: deny, expected: false } }
  - { name: masks, http: {}, expect: { verdict: deny, masks: [] } }
  - { name: would_be, http: {}, expect: { verdict: deny, would_be: allow } }
";
    let wants: [&[&str]; 7] = [
        &[],
        &[],
        &["verdict: expected allow, got deny"],
        &["rule: expected other, got p/r"],
        &["expected: wanted false, got true"],
        &["masks: expected [], got [m]"],
        &["would_be: expected allow, got nothing else"],
    ];
    assert_eq!(run(rest, cases), wants.map(|want| want.to_vec()));
}

#[test]
fn sql_goes_through_the_parser_that_is_given() {
    let rest = "rules: [{ name: r, what: { postgres: { table: a.b } }, then: allow }]";
    let cases = "
  - { name: one, postgres: { sql: select 1 }, expect: allow }
  - { name: two, postgres: { sql: \"select 1; drop x\" }, expect: deny }
";
    assert_eq!(run(rest, cases), [[""; 0]; 2]);
}

#[test]
fn facts_are_read() {
    let rest = "rules:
  - { name: who, who: { user: 0, cwd: /w, argv: [ci], via: [\"**/sh\"] }, what: { cidr: 10.0.0.1, port: 99 }, then: allow }
  - { name: label, who: { lineage: any }, what: { host: x.example.com }, then: allow }
";
    let cases = "
  - name: who
    lineage: [/bin/sh, { exe: /usr/bin/npm, argv: [npm, ci], uid: 0, cwd: /w }]
    ip: 10.0.0.1
    port: 99
    http: {}
    expect: { verdict: allow, rule: who }
  - name: one of two names
    host: [x.example.com, y.example.com]
    http: {}
    expect: deny
  - name: the one that is claimed
    host: [x.example.com, y.example.com]
    claims: x.example.com
    lineage_complete: false
    http: {}
    expect: { verdict: allow, rule: label }
  - name: the connection
    host: x.example.com
    expect: allow
  - name: another connection
    host: z.example.com
    expect: { verdict: deny, rule: default }
";
    assert_eq!(run(rest, cases), [[""; 0]; 5]);
}

#[test]
fn labels_choose_the_policy() {
    let text = policy("applies_to: { repository: a/b, pipeline: x }\ndefault: allow\n");
    let set = set(&[(Layer::Repository, &text)]);
    let cases = "
  - { name: ours, job: { repository: a/b }, pipeline: x, http: {}, expect: allow }
  - { name: theirs, job: { repository: c/d }, pipeline: x, http: {}, expect: { verdict: deny, rule: host/default } }
";
    let results = run_on(&set, cases).unwrap();
    assert!(results.iter().all(CaseResult::passed), "{results:?}");
}

#[test]
fn a_case_with_a_status_is_about_the_answer() {
    let rest = "rules:
  - { name: reads, what: { http: { method: GET } }, then: allow }
  - { name: asked, what: { http: { method: PUT } }, then: { approve: { from: dba } } }
  - { name: no-errors, what: { http: { status: [404, 5xx] } }, then: deny, expected: true }
mask:
  - { name: all, what: { http: {} }, detect: email }
  - { name: found, what: { http: { status: 2xx } }, detect: email }
";
    let cases = "
  - { name: the request, http: {}, expect: { verdict: allow, rule: reads, masks: [all, found] } }
  - { name: its answer, http: { status: 200 }, expect: { verdict: allow, rule: reads, masks: [all, found] } }
  - { name: another, http: { status: 302 }, expect: { verdict: allow, masks: [all] } }
  - { name: an error, http: { status: 503 }, expect: { verdict: deny, rule: no-errors, expected: true } }
  - { name: nobody asks, http: { method: POST, status: 200 }, expect: { verdict: deny, rule: p/default } }
  - { name: people are asked, http: { method: PUT }, expect: approve }
  - { name: and have agreed, http: { method: PUT, status: 200 }, expect: { verdict: allow, rule: asked } }
  - { name: to the request, http: { method: PUT, status: 404 }, expect: { verdict: deny, rule: no-errors } }
";
    assert_eq!(run(rest, cases), [[""; 0]; 8]);
}

#[test]
fn broken_cases_are_told_with_their_place() {
    let set = set(&[(Layer::Repository, &policy(""))]);
    for (case, want) in [
        ("{ expect: deny }", "a case needs `name`"),
        ("{ name: a }", "a case needs `expect`"),
        (
            "{ name: a, expect: refuse }",
            "one of: allow, approve, deny",
        ),
        ("{ name: a, expect: { rule: r } }", "expect needs `verdict`"),
        ("{ name: a, ip: x, expect: deny }", "this is no address"),
        ("{ name: a, port: 0, expect: deny }", "0 is out of range"),
        (
            "{ name: a, http: {}, dns: { name: b }, expect: deny }",
            "one operation, not http and dns",
        ),
        (
            "{ name: a, htpp: {}, expect: deny }",
            "did you mean `http`?",
        ),
        (
            "{ name: a, postgres: { effect: reed }, expect: deny }",
            "did you mean `read`?",
        ),
        (
            "{ name: a, http: { status: 600 }, expect: deny }",
            "600 is out of range",
        ),
        (
            "{ name: a, http: { status: 5xx }, expect: deny }",
            "expected a number, found text",
        ),
        (
            "{ name: a, lineage: [{ argv: [x] }], expect: deny }",
            "a process needs `exe`",
        ),
    ] {
        let errors = run_on(&set, &format!("  - {case}\n"))
            .unwrap_err()
            .to_string();
        assert!(errors.contains(want), "{case}: {errors}");
        assert!(errors.contains("p.test.yaml:2:"), "{case}: {errors}");
    }
    for text in ["", "cases: {}", "[]", "tests: []"] {
        assert!(
            run_cases(&set, "p.test.yaml", text, &sql).is_err(),
            "{text}"
        );
    }
}

#[test]
fn cases_limit() {
    let set = set(&[(Layer::Repository, &policy(""))]);
    let cases = |n: usize| "  - { name: a, expect: deny }\n".repeat(n);
    assert_eq!(run_on(&set, &cases(MAX_CASES)).unwrap().len(), MAX_CASES);
    assert!(run_on(&set, &cases(MAX_CASES + 1)).is_err());
}

#[test]
fn a_case_says_what_is_in_a_programs_file() {
    let (one, two) = ("ab".repeat(32), "cd".repeat(32));
    let rule = format!(
        "rules: [{{ name: r, who: {{ exe_sha256: \"{}\" }}, what: {{ host: a.example.com }}, \
         then: allow }}]",
        one.to_uppercase()
    );
    let cases: String = [
        (format!("{{ exe: /bin/x, exe_sha256: \"{one}\" }}"), "allow"),
        (format!("{{ exe: /bin/x, exe_sha256: \"{two}\" }}"), "deny"),
        ("/bin/x".to_owned(), "deny"),
    ]
    .iter()
    .map(|(exec, verdict)| {
        format!(
            "  - {{ name: c, lineage: [{exec}], host: a.example.com, http: {{}}, expect: \
             {verdict} }}\n"
        )
    })
    .collect();
    assert_eq!(run(&rule, &cases), [[""; 0]; 3]);
    let broken = "  - { name: c, lineage: [{ exe: /x, exe_sha256: ab }], expect: deny }\n";
    let set = set(&[(Layer::Repository, &policy(&rule))]);
    let errors = run_on(&set, broken).unwrap_err().to_string();
    assert!(errors.contains("this is no SHA-256"), "{errors}");
}
