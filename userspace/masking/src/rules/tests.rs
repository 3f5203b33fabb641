//! Samples are made from the rules at run time: no text in the shape of a token is in the tree.

use super::*;
use crate::detect::{Probe, View, entropy, token};
use crate::spec::{Detector, MaskRule, Strategy};
use crate::{Hits, Masker};
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::TestRunner;

/// A text that the rule must find something in, and the secret in it.
fn sample(rule: &TokenRule, runner: &mut TestRunner) -> (Vec<u8>, Vec<u8>) {
    let pattern = format!("(?-u){}", rule.pattern);
    let strategy = proptest::string::bytes_regex(&pattern).expect(&rule.id);
    for _ in 0..200 {
        let body = strategy.new_tree(runner).unwrap().current();
        let Some(secret) = rule.secret(&body).map(|range| body[range].to_vec()) else {
            continue;
        };
        // A value that begins with `=` is read as part of the separator.
        let unclear = rule.is_value && body.starts_with(b"=");
        if entropy(&secret) < rule.entropy || body.len() > rule.window || unclear {
            continue;
        }
        let lower = body.to_ascii_lowercase();
        let anchored = |k: &String| lower[rule.back..].starts_with(k.as_bytes());
        if rule.is_value {
            let text = [rule.keywords[0].as_bytes(), b"_x = \"", &body, b"\" "].concat();
            return (text, secret);
        } else if rule.keywords.iter().any(anchored) {
            return ([b"see ", body.as_slice(), b" "].concat(), secret);
        }
    }
    panic!(
        "{}: no sample; does the expression begin with a keyword?",
        rule.id
    )
}

fn masker() -> Masker {
    let rule = MaskRule {
        name: "tokens".to_owned(),
        detect: vec![Detector::Token],
        columns: Vec::new(),
        json_keys: Vec::new(),
        strategy: Strategy::Redact,
    };
    Masker::compile(&[rule], &[], &[7; 32]).unwrap()
}

#[test]
fn the_files_hold_the_rules_that_they_should() {
    assert_eq!(read(CONVERTED).len(), 177);
    assert_eq!(read(OWN).len(), 51);
}

#[test]
fn every_rule_compiles() {
    for rule in tokens() {
        assert!(compile(&rule.pattern).is_some(), "{}", rule.id);
        assert!(!rule.pattern.is_empty(), "{}", rule.id);
    }
}

#[test]
fn every_rule_has_keywords_that_the_gate_can_hold() {
    for rule in tokens() {
        assert!(!rule.keywords.is_empty(), "{}", rule.id);
        for keyword in &rule.keywords {
            assert!(keyword.len() >= 3, "{}: {keyword}", rule.id);
            assert_eq!(*keyword, keyword.to_ascii_lowercase(), "{}", rule.id);
        }
    }
}

#[test]
fn no_rule_begins_further_back_than_a_stream_holds() {
    let gram = crate::gate::MAX_GRAM_OFFSET;
    for rule in tokens() {
        assert!(rule.back + gram + 10 < crate::limits::HOLD, "{}", rule.id);
    }
}

#[test]
fn rule_names_are_unique() {
    let names: std::collections::BTreeSet<_> = tokens().iter().map(|rule| &rule.id).collect();
    assert_eq!(names.len(), tokens().len());
}

#[test]
fn every_rule_finds_its_sample() {
    let (masker, mut runner) = (masker(), TestRunner::deterministic());
    for rule in tokens() {
        for _ in 0..3 {
            let (text, secret) = sample(rule, &mut runner);
            let masked = masker.mask_bytes(&text, &mut Hits::new());
            let masked = masked.unwrap_or_else(|| panic!("{}: not found", rule.id));
            assert!(
                memchr::memmem::find(&masked, &secret).is_none(),
                "{}",
                rule.id
            );
            let mask = memchr::memmem::find(&masked, b"[redacted:token]");
            assert!(
                mask.is_some(),
                "{}: {}",
                rule.id,
                String::from_utf8_lossy(&masked)
            );
        }
    }
}

#[test]
fn no_rule_finds_its_keyword_alone() {
    for rule in tokens() {
        for keyword in &rule.keywords {
            let text = format!("{:>80} stands alone", keyword.to_ascii_uppercase());
            let view = View {
                bytes: text.as_bytes(),
                complete: true,
            };
            let start = 80 - keyword.len();
            let probe = token::probe(&view, rule, start, 80);
            assert_eq!(probe, Probe::No, "{}: {keyword}", rule.id);
        }
    }
}

#[test]
fn no_rule_finds_a_sample_that_is_cut_short() {
    let (mut runner, mut open_ended) = (TestRunner::deterministic(), 0);
    for rule in tokens() {
        let (text, secret) = sample(rule, &mut runner);
        let at = memchr::memmem::find(&text, &secret).unwrap();
        let view = View {
            bytes: &text[..at + 5.min(secret.len() / 2)],
            complete: true,
        };
        let lower = text.to_ascii_lowercase();
        for keyword in &rule.keywords {
            for start in memchr::memmem::find_iter(&lower, keyword.as_bytes()) {
                let probe = token::probe(&view, rule, start, start + keyword.len());
                open_ended += usize::from(probe != Probe::No);
            }
        }
    }
    assert_eq!(open_ended, 0);
}

#[test]
fn harmless_text_is_left_alone() {
    let masker = masker();
    for text in [
        "The linear algebra of sumo wrestling, told by an Asian bot from Travis County.",
        "confluence of rivers; discord among the twitter crowd; a plaid shirt, fastly worn",
        "https://github.com/acme/payments/pull/42#issuecomment-1234567890",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  package.tar.gz",
        "550e8400-e29b-41d4-a716-446655440000",
        r#"{"integrity":"sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg=="}"#,
    ] {
        assert_eq!(masker.mask_text(text, &mut Hits::new()), text);
    }
}
