use super::*;
use crate::limits::*;
use crate::{Detected, Detector, Strategy};

const KEY: [u8; 32] = [9; 32];

fn rule(strategy: Strategy) -> MaskRule {
    MaskRule {
        name: "people".to_owned(),
        detect: vec![Detector::Email],
        columns: vec!["*.ssn".to_owned(), "card_*".to_owned()],
        json_keys: Vec::new(),
        strategy,
    }
}

fn compile(rules: &[MaskRule]) -> Result<Masker, MaskError> {
    Masker::compile(rules, &[], &KEY)
}

fn field(strategy: Strategy, column: Option<&str>, value: &str) -> Option<String> {
    let masker = compile(&[rule(strategy)]).unwrap();
    let masked = masker.mask_field(column, value.as_bytes(), &mut Hits::new());
    masked.map(|masked| String::from_utf8(masked).unwrap())
}

fn error(rules: &[MaskRule], secrets: &[String]) -> MaskError {
    Masker::compile(rules, secrets, &KEY)
        .map(|_| ())
        .unwrap_err()
}

fn partial(keep_last: u8, value: &str) -> String {
    field(Strategy::Partial { keep_last }, Some("ssn"), value).unwrap()
}

#[test]
fn a_named_column_is_masked_whole() {
    assert_eq!(
        field(Strategy::Redact, Some("users.ssn"), "1-2-3").unwrap(),
        "[redacted:column]"
    );
}

#[test]
fn another_column_is_looked_at() {
    let masked = field(Strategy::Redact, Some("users.note"), "see a@example.com").unwrap();
    assert_eq!(masked, "see [redacted:email]");
    assert_eq!(field(Strategy::Redact, Some("users.note"), "nothing"), None);
    assert_eq!(field(Strategy::Redact, None, "1-2-3"), None);
}

#[test]
fn an_empty_value_stays() {
    assert_eq!(field(Strategy::Redact, Some("ssn"), ""), None);
}

#[test]
fn columns_are_compared_from_the_right_without_case() {
    let masker = compile(&[rule(Strategy::Redact)]).unwrap();
    for named in [
        "ssn",
        "users.ssn",
        "payments.users.SSN",
        "card_no",
        "x.y.CARD_NO",
    ] {
        assert!(masker.column(named).is_named(), "{named}");
    }
    for other in ["ssn2", "users.ssn.hint", "xcard_no", ""] {
        assert!(!masker.column(other).is_named(), "{other}");
    }
}

#[test]
fn a_table_in_a_pattern_counts_where_it_is_known() {
    let mut named = rule(Strategy::Redact);
    named.columns = vec!["users.mail".to_owned()];
    let masker = compile(&[named]).unwrap();
    assert!(masker.column("mail").is_named());
    assert!(!masker.column("orders.mail").is_named());
}

#[test]
fn two_stars_cross_name_parts() {
    let mut named = rule(Strategy::Redact);
    named.columns = vec!["payments.**".to_owned()];
    let masker = compile(&[named]).unwrap();
    // Three parts are a whole name; what may be in the schema is masked.
    for (name, is_named) in [
        ("payments.cards.number", true),
        ("public.cards.number", false),
        ("cards.number", true),
        ("number", true),
        ("db.payments.cards.number", true),
        ("db.public.cards.number", false),
    ] {
        assert_eq!(masker.column(name).is_named(), is_named, "{name}");
    }
}

#[test]
fn the_argument_behind_a_telling_option_is_masked() {
    let mut secret = rule(Strategy::Redact);
    secret.detect = vec![Detector::Secret];
    let masker = compile(&[secret]).unwrap();
    let argv = [
        "psql",
        "--password",
        "hello",
        "-x",
        "--api-key=k3y8sd7f6g5h4j3k",
        "--token",
        "--quiet",
    ];
    let argv: Vec<String> = argv.map(str::to_owned).to_vec();
    let masked = masker.mask_argv(&argv, &mut Hits::new());
    let expected = [
        "psql",
        "--password",
        "[redacted:assignment]",
        "-x",
        "--api-key=[redacted:assignment]",
        "--token",
        "--quiet",
    ];
    assert_eq!(masked, expected);
    let plain = compile(&[rule(Strategy::Redact)]).unwrap();
    assert_eq!(plain.mask_argv(&argv, &mut Hits::new()), argv);
}

#[test]
fn partial_keeps_the_last_characters() {
    assert_eq!(partial(4, "123-45-6789"), "****6789");
    assert_eq!(partial(4, "Grünstraße"), "****raße");
    assert_eq!(partial(4, "12-3\"\\"), "****3**");
}

#[test]
fn partial_never_keeps_more_than_half() {
    assert_eq!(partial(4, "1234567"), "****567");
    assert_eq!(partial(4, "12"), "****2");
    assert_eq!(partial(4, "1"), "****");
    assert_eq!(
        partial(16, &"ü".repeat(64)),
        format!("****{}", "ü".repeat(16))
    );
}

#[test]
fn a_hash_is_keyed_stable_and_short() {
    let hash = |value: &str| field(Strategy::Hash, Some("ssn"), value).unwrap();
    assert_eq!(hash("1"), hash("1"));
    assert_ne!(hash("1"), hash("2"));
    assert_eq!(hash("1").len(), "sha256:".len() + 32);
    let other = Masker::compile(&[rule(Strategy::Hash)], &[], &[8; 32]).unwrap();
    let other = other
        .mask_field(Some("ssn"), b"1", &mut Hits::new())
        .unwrap();
    assert_ne!(other, hash("1").into_bytes());
}

/// RFC 4231 test case 2 has a short key; the same must come out of a key filled up to 32.
#[test]
fn the_hash_is_hmac_sha256() {
    let mut key = [0; 32];
    key[..4].copy_from_slice(b"Jefe");
    let masker = Masker::compile(&[rule(Strategy::Hash)], &[], &key).unwrap();
    let hash = masker.mask_field(
        Some("ssn"),
        b"what do ya want for nothing?",
        &mut Hits::new(),
    );
    assert_eq!(hash.unwrap(), b"sha256:5bdcc146bf60754e6a042426089575c7");
}

#[test]
fn a_pseudonym_keeps_the_class_and_is_the_same_everywhere() {
    let masker = compile(&[rule(Strategy::Tokenise)]).unwrap();
    let text = masker.mask_text(
        "a@example.com b@example.com a@example.com",
        &mut Hits::new(),
    );
    let names: Vec<&str> = text.split(' ').collect();
    assert_eq!(names[0], names[2]);
    assert_ne!(names[0], names[1]);
    assert!(names[0].starts_with("tok_email_") && names[0].len() == "tok_email_".len() + 16);
}

#[test]
fn text_without_a_hit_is_borrowed() {
    let masker = compile(&[rule(Strategy::Redact)]).unwrap();
    assert!(matches!(
        masker.mask_text("plain", &mut Hits::new()),
        Cow::Borrowed("plain")
    ));
}

#[test]
fn hits_are_counted_by_detector_and_rule() {
    let masker = compile(&[rule(Strategy::Redact)]).unwrap();
    let mut hits = Hits::new();
    let _ = masker.mask_text("a@example.com b@example.com", &mut hits);
    let _ = masker.mask_field(Some("ssn"), b"1", &mut hits);
    let counted: Vec<_> = hits.iter().collect();
    assert_eq!(
        counted,
        [
            (Detected::Email, "people", 2),
            (Detected::Column, "people", 1)
        ]
    );
    assert_eq!(
        (hits.total(), hits.of(Detected::Email), hits.is_empty()),
        (3, 2, false)
    );
}

#[test]
fn known_secrets_are_masked_without_a_rule() {
    let masker = Masker::compile(&[], &["hunter2hunter2".to_owned()], &KEY).unwrap();
    let mut hits = Hits::new();
    assert_eq!(
        masker.mask_text("x hunter2hunter2", &mut hits),
        "x [redacted:secret]"
    );
    assert_eq!(
        hits.iter().next().unwrap(),
        (Detected::Secret, "known-secrets", 1)
    );
}

#[test]
fn known_secrets_follow_the_rule_that_detects_secret() {
    let mut secret = rule(Strategy::Hash);
    secret.detect = vec![Detector::Secret];
    let masker = Masker::compile(&[secret], &["hunter2hunter2".to_owned()], &KEY).unwrap();
    assert!(
        masker
            .mask_text("hunter2hunter2", &mut Hits::new())
            .starts_with("sha256:")
    );
}

#[test]
fn of_two_rules_the_stricter_one_masks() {
    let (mut weak, mut strict) = (rule(Strategy::Tokenise), rule(Strategy::Redact));
    weak.name = "weak".to_owned();
    strict.name = "strict".to_owned();
    for rules in [[weak.clone(), strict.clone()], [strict, weak]] {
        let mut hits = Hits::new();
        let masker = compile(&rules).unwrap();
        assert_eq!(
            masker.mask_text("a@example.com", &mut hits),
            "[redacted:email]"
        );
        assert_eq!(hits.iter().next().unwrap().1, "strict");
    }
}

#[test]
fn an_invalid_utf8_value_is_masked_too() {
    let masker = compile(&[rule(Strategy::Redact)]).unwrap();
    let masked = masker
        .mask_field(None, b"\xff a@example.com \xfe", &mut Hits::new())
        .unwrap();
    assert_eq!(masked, b"\xff [redacted:email] \xfe");
}

#[test]
fn rules_at_the_limit_and_one_over() {
    assert!(compile(&vec![rule(Strategy::Redact); MAX_RULES]).is_ok());
    let over = vec![rule(Strategy::Redact); MAX_RULES + 1];
    assert_eq!(
        error(&over, &[]),
        MaskError::TooManyRules {
            count: MAX_RULES + 1
        }
    );
}

#[test]
fn names_at_the_limit_and_one_over() {
    let named = |length: usize| {
        [MaskRule {
            name: "n".repeat(length),
            ..rule(Strategy::Redact)
        }]
    };
    assert!(compile(&named(MAX_RULE_NAME)).is_ok());
    for length in [0, MAX_RULE_NAME + 1] {
        assert_eq!(error(&named(length), &[]), MaskError::RuleName { index: 0 });
    }
}

#[test]
fn entries_at_the_limit_and_one_over() {
    let detecting = |count| MaskRule {
        detect: vec![Detector::Email; count],
        ..rule(Strategy::Redact)
    };
    assert!(compile(&[detecting(MAX_ENTRIES_A_RULE)]).is_ok());
    assert!(matches!(
        error(&[detecting(MAX_ENTRIES_A_RULE + 1)], &[]),
        MaskError::TooManyEntries { list: "detect", .. }
    ));
}

#[test]
fn a_rule_for_nothing_is_refused() {
    let empty = MaskRule {
        detect: Vec::new(),
        columns: Vec::new(),
        ..rule(Strategy::Redact)
    };
    assert!(matches!(error(&[empty], &[]), MaskError::EmptyRule { .. }));
}

#[test]
fn keep_last_at_the_limit_and_one_over() {
    assert!(
        compile(&[rule(Strategy::Partial {
            keep_last: MAX_KEEP_LAST
        })])
        .is_ok()
    );
    for keep_last in [0, MAX_KEEP_LAST + 1] {
        let refused = error(&[rule(Strategy::Partial { keep_last })], &[]);
        assert!(matches!(refused, MaskError::KeepLast { .. }));
    }
}

fn custom(pattern: String) -> MaskRule {
    MaskRule {
        detect: vec![Detector::Custom(pattern)],
        ..rule(Strategy::Redact)
    }
}

#[test]
fn expressions_at_the_limit_and_one_over() {
    assert!(compile(&[custom("a".repeat(MAX_CUSTOM_REGEX))]).is_ok());
    for length in [0, MAX_CUSTOM_REGEX + 1] {
        let refused = error(&[custom("a".repeat(length))], &[]);
        assert!(matches!(refused, MaskError::RegexLength { .. }), "{length}");
    }
}

#[test]
fn an_expression_that_is_none_is_named_with_its_reason() {
    let refused = error(&[custom("(a".to_owned())], &[]).to_string();
    assert!(
        refused.contains("\"people\"") && refused.contains("unclosed group"),
        "{refused}"
    );
}

#[test]
fn an_expression_that_is_too_large_when_compiled_is_refused() {
    let refused = error(&[custom(r"\w{1000}{1000}".to_owned())], &[]);
    assert!(matches!(refused, MaskError::BadRegex { .. }), "{refused}");
}

#[test]
fn the_number_of_expressions_at_the_limit_and_one_over() {
    let rules = |count: usize| vec![custom("ab+c".to_owned()); count];
    assert!(compile(&rules(MAX_CUSTOM_REGEXES)).is_ok());
    let refused = error(&rules(MAX_CUSTOM_REGEXES + 1), &[]);
    assert_eq!(
        refused,
        MaskError::TooManyRegexes {
            count: MAX_CUSTOM_REGEXES + 1
        }
    );
}

#[test]
fn patterns_at_the_limit_and_one_over() {
    let named = |pattern: String| {
        [MaskRule {
            columns: vec![pattern],
            ..rule(Strategy::Redact)
        }]
    };
    assert!(compile(&named("c".repeat(MAX_GLOB))).is_ok());
    for pattern in [
        "c".repeat(MAX_GLOB + 1),
        String::new(),
        "a[".to_owned(),
        "a..b".to_owned(),
    ] {
        let refused = error(&named(pattern.clone()), &[]);
        assert!(matches!(refused, MaskError::BadGlob { .. }), "{pattern}");
    }
}

#[test]
fn secrets_at_both_limits_and_beyond() {
    let secrets = |length: usize| vec!["s3cr3t".to_owned(), "x".repeat(length)];
    assert!(Masker::compile(&[], &secrets(MIN_SECRET), &KEY).is_ok());
    assert!(Masker::compile(&[], &secrets(MAX_SECRET), &KEY).is_ok());
    let (short, long) = (MIN_SECRET - 1, MAX_SECRET + 1);
    assert_eq!(
        error(&[], &secrets(short)),
        MaskError::SecretTooShort {
            index: 1,
            length: short
        }
    );
    assert_eq!(
        error(&[], &secrets(long)),
        MaskError::SecretTooLong {
            index: 1,
            length: long
        }
    );
}

#[test]
fn the_refusal_of_a_short_secret_says_why_and_not_what() {
    let refused = error(&[], &["qzx".to_owned()]).to_string();
    assert!(
        refused.contains("harmless text") && !refused.contains("qzx"),
        "{refused}"
    );
}

#[test]
fn the_number_of_secrets_at_the_limit_and_one_over() {
    let secrets =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("secret-{n}")).collect() };
    assert!(Masker::compile(&[], &secrets(MAX_SECRETS), &KEY).is_ok());
    let refused = error(&[], &secrets(MAX_SECRETS + 1));
    assert_eq!(
        refused,
        MaskError::TooManySecrets {
            count: MAX_SECRETS + 1
        }
    );
}

#[test]
fn rules_are_read_as_the_policy_language_writes_them() {
    let text = r#"{"name":"cards","detect":["credit_card","email","secret",{"regex":"EMP-\\d+"}],
        "column":["*.ssn"],"json_key":["pin"],"with":{"partial":{"keep_last":4}}}"#;
    let read: MaskRule = serde_json::from_str(text).unwrap();
    assert_eq!(read.strategy, Strategy::Partial { keep_last: 4 });
    assert_eq!(read.detect[3], Detector::Custom("EMP-\\d+".to_owned()));
    assert_eq!(
        serde_json::from_str::<MaskRule>(&serde_json::to_string(&read).unwrap()).unwrap(),
        read
    );
    assert!(serde_json::from_str::<MaskRule>(r#"{"name":"x","detectt":[]}"#).is_err());
}

#[test]
fn every_detector_and_strategy_has_its_name() {
    for name in [
        "email",
        "credit_card",
        "iban",
        "jwt",
        "private_key",
        "token",
        "assignment",
        "secret",
    ] {
        assert!(
            serde_json::from_str::<Detector>(&format!("\"{name}\"")).is_ok(),
            "{name}"
        );
    }
    for name in ["redact", "hash", "tokenise", "tokenize"] {
        assert!(
            serde_json::from_str::<Strategy>(&format!("\"{name}\"")).is_ok(),
            "{name}"
        );
    }
}
