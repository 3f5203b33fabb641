use super::*;
use crate::testing::{Flow, http, job_policy, opaque, question, sql, statement};
use sluice_flow::Effect;

fn explained(rest: &str, operation: &Operation) -> Explanation {
    let flow = Flow::to("api.example.com");
    job_policy(rest).explain(flow.facts(), operation, None, &flow.host)
}

const REST: &str = "
rules:
  - { name: read, who: { exe: \"**/psql\" }, what: { host: api.example.com, http: { method: GET, path: \"/v1/**\" } }, then: allow }
  - { name: no, what: { host: evil.example.com }, then: deny }
  - { name: ours, what: { http: {} }, unless: { what: { http: { path: \"/v1/**\" } } }, then: deny }
";

#[test]
fn it_reads_like_a_sentence() {
    let text = explained(REST, &http("POST", "/v1/x")).to_string();
    assert_eq!(
        text,
        "POST /v1/x at api.example.com:443
  deny by p/default (repository layer)
  \"no rule allows POST /v1/x at api.example.com:443; whoever keeps the policy `p` can add one\"

repository layer
  deny    p/no: does not match: what.host no
  deny    p/ours: does not match: unless.what.http yes, unless.what.http.path yes
  allow   p/read: does not match: what.http.method no
  deny    where none matches
"
    );
}

#[test]
fn what_matched_is_marked_with_its_keys() {
    let text = explained(REST, &http("GET", "/v1/x")).to_string();
    assert!(
        text.contains("\n* allow   p/read: matches: who.exe yes, what.host yes"),
        "{text}"
    );
    let text = explained(REST, &http("GET", "/v2/x")).to_string();
    assert!(
        text.contains("\n* deny    p/ours: matches: what.http yes"),
        "{text}"
    );
}

#[test]
fn the_unknown_is_told() {
    let rest = "rules:
  - { name: a, what: { postgres: { table: x.y } }, then: allow }
  - { name: d, what: { postgres: { table: x.y } }, then: deny }
";
    let text = explained(rest, &sql(vec![statement(Effect::Unknown, &[], &[])])).to_string();
    assert!(
        text.contains("* deny    p/d: cannot be known: what.postgres.table unknown"),
        "{text}"
    );
    assert!(text.contains("unknown counts as a match here"), "{text}");
}

#[test]
fn each_statement_has_its_part() {
    let two = sql(vec![
        statement(Effect::Read, &["a.b"], &[]),
        statement(Effect::Ddl, &[], &[]),
    ]);
    let explanation = explained("default: allow", &two);
    assert_eq!(explanation.parts.len(), 2);
    assert!(explanation.to_string().contains("statement: ..."));
    assert_eq!(explained("", &http("GET", "/")).parts[0].statement, None);
}

#[test]
fn notes_tell_what_keys_do_not() {
    let allow = "rules: [{ name: r, what: { host: api.example.com }, then: allow }]";
    let opaque = explained(allow, &opaque("tls"));
    assert_eq!(
        opaque.parts[0].layers[0].rules[0].note,
        Some("a stream that is not understood is allowed by `protocol` and `port` only")
    );
    let resolves = explained(allow, &question("api.example.com", "A"));
    let note = resolves.parts[0].layers[0].rules[0].note;
    assert_eq!(note, Some("names this host, and so lets it be resolved"));
}

#[test]
fn a_gap_in_the_lineage_is_named() {
    let flow = Flow::default().by(crate::testing::gap(&["/bin/sh"]));
    let policy = job_policy("rules: [{ name: r, then: allow }]");
    let explanation = policy.explain(flow.facts(), &http("GET", "/"), None, &flow.host);
    let rule = &explanation.parts[0].layers[0].rules[0];
    assert_eq!((rule.truth, rule.matched), (Truth::Unknown, false));
    assert_eq!(rule.keys[0].key, "who.lineage");
}

#[test]
fn shadow_is_told() {
    let text = explained(
        "mode: shadow\nrules: [{ name: r, then: deny }]",
        &http("GET", "/"),
    );
    let text = text.to_string();
    assert!(
        text.contains("allow by p/r (repository layer); enforced it would be deny"),
        "{text}"
    );
    assert!(text.contains("p/r (shadow): matches everything"), "{text}");
    assert!(text.contains("pass    where none matches"), "{text}");
}

#[test]
fn why_it_is_not_known_what_is_in_a_file_is_told() {
    use sluice_flow::{Exec, NoDigest};
    use std::sync::Arc;
    let digest = "ab".repeat(32);
    let policy = job_policy(&format!(
        "rules:\n  - {{ name: leaf, who: {{ exe_sha256: \"{digest}\" }}, then: allow }}\n  \
         - {{ name: above, who: {{ ancestor: {{ exe_sha256: \"{digest}\" }} }}, then: deny }}\n"
    ));
    assert!(policy.asks_exe_sha256());
    let not_asked = "(no rule asked for it when the flow was opened)";
    for (known, why, want) in [
        (None, None, format!("who.exe_sha256 unknown {not_asked}")),
        (
            None,
            Some(NoDigest::Ended),
            format!("who.exe_sha256 unknown ({})", NoDigest::Ended),
        ),
        (
            Some("cd".repeat(32)),
            None,
            "does not match: who.exe_sha256 no\n".to_owned(),
        ),
        (Some(digest), None, "matches: who.exe_sha256 yes".to_owned()),
    ] {
        let mut flow = Flow::default();
        let leaf = flow.lineage.execs.last_mut().unwrap();
        *leaf = Arc::new(Exec {
            exe_sha256: known,
            exe_sha256_unknown: why,
            ..Exec::clone(leaf)
        });
        let explanation = policy.explain(flow.facts(), &http("GET", "/"), None, &flow.host);
        let text = explanation.to_string();
        assert!(text.contains(&want), "{want}: {text}");
        let above = format!("* deny    p/above: cannot be known: who.ancestor unknown {not_asked}");
        assert!(text.contains(&above), "{text}");
    }
}

#[test]
fn a_request_and_its_answer_are_explained_each() {
    let rest = "
rules:
  - { name: get, what: { http: { method: GET } }, unless: { what: { http: { status: 404 } } }, then: allow }
  - { name: no-errors, what: { http: { status: 5xx } }, then: deny }
  - { name: others, what: { host: b.example.com, http: { status: 5xx } }, then: deny }
";
    let flow = Flow::to("api.example.com");
    let told = |status| {
        let operation = http("GET", "/x");
        let explanation = job_policy(rest).explain(flow.facts(), &operation, status, &flow.host);
        explanation.to_string()
    };
    let waits = "the request passes as far as `status` is concerned; its answer is judged";
    assert_eq!(
        told(None),
        format!(
            "GET /x at api.example.com:443
  allow by p/get (repository layer)

repository layer
  deny    p/no-errors: does not match: what.http.status no
            {waits}
  deny    p/others: does not match: what.host no, what.http.status no
* allow   p/get: matches: what.http yes, what.http.method yes, unless.what.http yes, unless.what.http.status no
            {waits}
  deny    where none matches
"
        )
    );
    assert_eq!(
        told(Some(500)),
        "the answer 500 to GET /x at api.example.com:443
  deny by p/no-errors (repository layer)
  \"the answer 500 to GET /x at api.example.com:443 is not allowed here\"

repository layer
* deny    p/no-errors: matches: what.http yes, what.http.status yes
  deny    p/others: does not match: what.host no
* allow   p/get: matches: what.http yes, what.http.method yes, unless.what.http yes, unless.what.http.status no
  deny    where none matches
"
    );
}
