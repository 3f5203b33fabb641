use super::*;
use crate::testing::{job, policy, source};

fn text(name: &str, rest: &str) -> String {
    format!("version: 1\nname: {name}\n{rest}")
}

fn load(sources: Vec<Source>) -> Result<PolicySet, PolicyErrors> {
    PolicySet::load(sources)
}

fn applies(applies_to: &str) -> bool {
    let text = policy(&format!("applies_to: {applies_to}\n"));
    let set = load(vec![source(Layer::Repository, text)]).unwrap();
    !set.for_job(&job()).policies().is_empty()
}

#[test]
fn applies_to_labels_and_names() {
    for (applies_to, want) in [
        ("{ repository: acme/payments }", true),
        ("{ repository: [\"acme/*\"] }", true),
        ("{ repository: acme }", false),
        ("{ repository: [other/x, acme/payments] }", true),
        ("{ ref: \"refs/heads/**\" }", true),
        ("{ ref: \"refs/tags/**\" }", false),
        ("{ job: [migrate, deploy] }", true),
        ("{ job: lint }", false),
        ("{ repository: \"acme/*\", job: lint }", false),
        ("{ pipeline: payments }", true),
        ("{ pipeline: \"pay*\" }", true),
        ("{ pipeline: shop }", false),
        ("{ labels: { repository: acme/payments } }", true),
        ("{ labels: { team: payments } }", false),
    ] {
        assert_eq!(applies(applies_to), want, "{applies_to}");
    }
}

#[test]
fn a_policy_without_applies_to_is_for_every_job() {
    let set = load(vec![source(Layer::Host, policy(""))]).unwrap();
    assert_eq!(set.for_job(&job()).policies().len(), 1);
}

#[test]
fn policies_are_named_host_first() {
    let set = load(vec![
        source(Layer::Repository, text("c", "")),
        source(Layer::Host, text("a", "")),
        source(Layer::Organisation, text("b", "")),
    ])
    .unwrap();
    let names: Vec<String> = set
        .for_job(&job())
        .policies()
        .into_iter()
        .map(|p| p.name)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(set.names().len(), 3);
}

#[test]
fn the_digest_is_that_of_the_text() {
    // sha256sum of "version: 1\nname: p\n".
    let set = load(vec![source(Layer::Host, policy(""))]).unwrap();
    let again = load(vec![source(Layer::Host, policy("\n"))]).unwrap();
    let digest = |set: &PolicySet| set.names()[0].digest.clone();
    let want = "4277cfdd96b6bcf0352faf20c9e7d66aa415a4afa7c5c99bcb80ce0dc9189453";
    assert_eq!(digest(&set), want);
    assert_ne!(digest(&set), digest(&again));
}

#[test]
fn two_policies_of_one_name_are_refused() {
    let errors = load(vec![
        Source {
            layer: Layer::Host,
            file: "a.yaml".into(),
            text: policy(""),
        },
        Source {
            layer: Layer::Repository,
            file: "b.yaml".into(),
            text: policy(""),
        },
    ])
    .unwrap_err();
    assert_eq!(errors.errors.len(), 1);
    assert_eq!(errors.errors[0].file, "b.yaml");
    assert_eq!(
        errors.errors[0].fix.as_deref(),
        Some("the first is a.yaml; rename one")
    );
}

#[test]
fn a_set_with_one_error_is_refused_whole() {
    let good = source(Layer::Host, policy(""));
    assert!(load(vec![good, source(Layer::Repository, "rulez: []")]).is_err());
}

#[test]
fn files_limit() {
    let files = |n: usize| {
        let file = |i: usize| source(Layer::Repository, text(&format!("p{i}"), ""));
        load((0..n).map(file).collect())
    };
    assert!(files(MAX_FILES).is_ok());
    let errors = files(MAX_FILES + 1).unwrap_err();
    assert!(
        errors.errors[0]
            .message
            .contains("257 policy files, at most 256")
    );
}

#[test]
fn users_are_looked_up_once() {
    let rest = "rules:\n  - { name: r, who: { user: ci }, then: allow }\n";
    let sources = || vec![source(Layer::Repository, policy(rest))];
    let users = |name: &str| (name == "ci").then_some(1000);
    let flow = crate::testing::Flow::default();
    let judge = |set: PolicySet| {
        let verdict = flow.judged(&set.for_job(&job()), &crate::testing::http("GET", "/"));
        crate::testing::said(&verdict)
    };
    let known = PolicySet::load_on(sources(), HostDefault::Deny, &users).unwrap();
    assert_eq!(judge(known), "allow p/r");
    assert_eq!(
        judge(load(sources()).unwrap()),
        "deny p/default",
        "an unknown user opens nothing"
    );
}

#[test]
fn no_policy_applies() {
    use crate::testing::{Flow, http, said};
    let flow = Flow::default();
    for (default, want) in [(HostDefault::Deny, "deny"), (HostDefault::Allow, "allow")] {
        let set = PolicySet::load_on(Vec::new(), default, &|_| None).unwrap();
        let policy = set.for_job(&job());
        let verdict = flow.judged(&policy, &http("GET", "/"));
        assert_eq!(said(&verdict), format!("{want} host/default"));
        let permitted = matches!(flow.under(&policy).admit(), crate::Admission::Permit(_));
        assert_eq!(permitted, want == "allow");
    }
}

#[test]
fn a_job_whose_rules_or_masks_ask_what_is_in_files_says_so() {
    let digest = format!("exe_sha256: \"{}\"", "0".repeat(64));
    for (rest, want) in [
        ("rules: [{ name: r, who: { exe: /x }, then: deny }]", false),
        ("rules: [{ name: r, who: { DIGEST }, then: deny }]", true),
        (
            "rules: [{ name: r, who: { step: { DIGEST } }, then: deny }]",
            true,
        ),
        (
            "rules: [{ name: r, who: { exe: /x }, unless: { who: { parent: { DIGEST } } }, then: deny }]",
            true,
        ),
        (
            "mask: [{ name: m, who: { ancestor: { DIGEST } }, detect: email }]",
            true,
        ),
    ] {
        let text = policy(&rest.replace("DIGEST", &digest));
        let set = load(vec![source(Layer::Repository, text)]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(set.for_job(&job()).asks_exe_sha256(), want, "{rest}");
    }
    let elsewhere = policy(&format!(
        "applies_to: {{ job: lint }}\nrules: [{{ name: r, who: {{ {digest} }}, then: deny }}]"
    ));
    let set = load(vec![source(Layer::Repository, elsewhere)]).unwrap();
    assert!(!set.for_job(&job()).asks_exe_sha256());
}
