//! How much is read, and how much is told.

use super::tests::{error, errors, load, rule};
use crate::testing::{policy, source};
use crate::{Layer, PolicySet, limits};

#[test]
fn all_errors_of_all_files_are_told_at_once() {
    let first = "version: 1\nname: a\nrulez: []\nmode: x\n";
    let second = "version: 1\nname: b\nrules:\n  - { name: r, then: nothing }\n";
    let errors = PolicySet::load(vec![
        source(Layer::Host, first),
        source(Layer::Repository, second),
        source(Layer::Repository, "version: 1\nname: c\n"),
    ])
    .unwrap_err();
    assert_eq!(errors.errors.len(), 3);
    let text = errors.to_string();
    assert!(text.contains(" --> p.yaml:3:1\n"), "{text}");
    assert!(text.contains("3 | rulez: []\n  | ^^^^^\n"), "{text}");
    assert!(text.ends_with("3 errors: the policy is not used"), "{text}");
}

#[test]
fn limits_of_lists_rules_and_masks() {
    let list = |n: usize| rule(&format!("who: {{ exe: [{}] }}", "a,".repeat(n)));
    assert!(load(&policy(&list(limits::MAX_LIST))).is_ok());
    assert!(error(&list(limits::MAX_LIST + 1)).contains("at most 256 are read"));
    let rules = |n: usize| {
        let rule = |i: usize| format!("  - {{ name: r{i}, then: deny }}\n");
        policy(&format!("rules:\n{}", (0..n).map(rule).collect::<String>()))
    };
    assert!(load(&rules(limits::MAX_RULES)).is_ok());
    assert!(errors(&rules(limits::MAX_RULES + 1))[0].contains("4097 rules, at most 4096"));
    let masks = |n: usize| {
        let mask = |i: usize| format!("  - {{ name: m{i}, detect: email }}\n");
        policy(&format!("mask:\n{}", (0..n).map(mask).collect::<String>()))
    };
    assert!(load(&masks(limits::MAX_MASKS)).is_ok());
    assert!(errors(&masks(limits::MAX_MASKS + 1))[0].contains("129 masks, at most 128"));
    let message = |n: usize| policy(&rule(&format!("message: {}", "a".repeat(n))));
    assert!(load(&message(limits::MAX_MESSAGE_BYTES)).is_ok());
    assert!(load(&message(limits::MAX_MESSAGE_BYTES + 1)).is_err());
    let labels = |n: usize| {
        let label = |i: usize| format!("l{i}: x,");
        policy(&format!(
            "applies_to: {{ labels: {{ {} }} }}",
            (0..n).map(label).collect::<String>()
        ))
    };
    assert!(load(&labels(limits::MAX_LIST)).is_ok());
    assert!(load(&labels(limits::MAX_LIST + 1)).is_err());
}

#[test]
fn errors_are_bounded() {
    let text: String = (0..limits::MAX_ERRORS + 50)
        .map(|i| format!("k{i}: 1\n"))
        .collect();
    let errors = load(&policy(&text)).unwrap_err();
    assert_eq!(errors.errors.len(), limits::MAX_ERRORS);
    assert!(
        errors
            .to_string()
            .ends_with("100 or more errors: the policy is not used")
    );
}

#[test]
fn limits_of_approvals_and_retention() {
    let approve = |terms: &str| {
        policy(&format!(
            "rules: [{{ name: r, then: {{ approve: {{ from: a, {terms} }} }} }}]"
        ))
    };
    let hours = limits::MAX_APPROVAL_SECONDS / 3600;
    for (text, fits) in [
        (approve(&format!("count: {}", limits::MAX_APPROVERS)), true),
        (
            approve(&format!("count: {}", limits::MAX_APPROVERS + 1)),
            false,
        ),
        (approve(&format!("timeout: {hours}h")), true),
        (
            approve(&format!("timeout: {}s", limits::MAX_APPROVAL_SECONDS + 1)),
            false,
        ),
        (
            policy(&format!("record: {{ keep: {}d }}", limits::MAX_KEEP_DAYS)),
            true,
        ),
        (
            policy(&format!(
                "record: {{ keep: {}d }}",
                limits::MAX_KEEP_DAYS + 1
            )),
            false,
        ),
    ] {
        assert_eq!(load(&text).is_ok(), fits, "{text}");
    }
}

#[test]
fn limits_of_globs_have_their_place() {
    let glob = |n: usize| rule(&format!("who: {{ exe: {} }}", "a".repeat(n)));
    assert!(load(&policy(&glob(limits::MAX_GLOB_BYTES))).is_ok());
    let got = error(&glob(limits::MAX_GLOB_BYTES + 1));
    assert!(
        got.starts_with("4:") && got.contains("at most 1024 bytes"),
        "{got}"
    );
}

#[test]
fn a_thousand_broken_files_tell_at_most_a_hundred_errors() {
    let sources = (0..200)
        .map(|_| source(Layer::Repository, "rulez: []"))
        .collect();
    let errors = PolicySet::load(sources).unwrap_err();
    assert_eq!(errors.errors.len(), limits::MAX_ERRORS);
}
