use crate::limits::{MAX_JSON_BARE, MAX_JSON_DEPTH, MAX_JSON_KEY};
use crate::spec::{Detector, MaskRule, Strategy};
use crate::{Detected, Hits, Masker};

fn masker() -> Masker {
    let rule = MaskRule {
        name: "keys".to_owned(),
        detect: vec![Detector::CreditCard, Detector::Email],
        columns: Vec::new(),
        json_keys: vec!["ssn".to_owned(), "api_*".to_owned()],
        strategy: Strategy::Redact,
    };
    Masker::compile(&[rule], &[], &[7; 32]).unwrap()
}

fn masked(text: &str) -> String {
    let masked = masker().mask_json(text.as_bytes(), &mut Hits::new());
    let masked = masked.map_or_else(|| text.to_owned(), |out| String::from_utf8(out).unwrap());
    masked
        .replace("[redacted:", "<")
        .replace("]\"", ">\"")
        .replace("] ", "> ")
        .replace("]\\", ">\\")
}

// table: one test a row.
macro_rules! rows {
    ($($name:ident: $text:expr => $masked:expr,)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(masked($text), $masked);
        })*
    };
}

rows! {
    a_string: r#"{"ssn":"1-2-3"}"# => r#"{"ssn":"<json_key>"}"#,
    with_blanks: "{ \"ssn\" :\n \"1\" }" => "{ \"ssn\" :\n \"<json_key>\" }",
    a_number: r#"{"ssn":-1.5e+7}"# => r#"{"ssn":"<json_key>"}"#,
    a_word: r#"{"ssn":true}"# => r#"{"ssn":"<json_key>"}"#,
    null_stays: r#"{"ssn":null}"# => r#"{"ssn":null}"#,
    nothing_stays: r#"{"ssn":""}"# => r#"{"ssn":""}"#,
    any_case: r#"{"SSN":"1"}"# => r#"{"SSN":"<json_key>"}"#,
    a_glob: r#"{"api_token":"1","apix":"2"}"# => r#"{"api_token":"<json_key>","apix":"2"}"#,
    an_escaped_key: r#"{"s\u0073n":"1"}"# => r#"{"s\u0073n":"<json_key>"}"#,
    an_escaped_value: r#"{"ssn":"a\"b\\\u00e9","b":1}"# => r#"{"ssn":"<json_key>","b":1}"#,
    an_array: r#"{"ssn":[1,"b",null],"b":[1]}"# => r#"{"ssn":["<json_key>","<json_key>",null],"b":[1]}"#,
    an_object: r#"{"ssn":{"a":1,"b":{"c":"d"}},"e":1}"# => r#"{"ssn":{"a":"<json_key>","b":{"c":"<json_key>"}},"e":1}"#,
    a_value_of_the_same_text: r#"{"a":"ssn","b":"c"}"# => r#"{"a":"ssn","b":"c"}"#,
    an_array_of_the_same_text: r#"["ssn","c"]"# => r#"["ssn","c"]"#,
    a_found_string: r#"{"a":"to a@example.com now"}"# => r#"{"a":"to <email> now"}"#,
    a_found_number: r#"[4111111111111111]"# => r#"["<credit_card>"]"#,
    a_found_negative_number: r#"[-4111111111111111,2]"# => r#"["<credit_card>",2]"#,
    a_found_key: r#"{"a@example.com":1}"# => r#"{"<email>":1}"#,
    found_in_a_named_value: r#"{"ssn":"a@example.com and more"}"# => r#"{"ssn":"<json_key>"}"#,
    behind_an_escape: r#"["\na@example.com\n"]"# => r#"["\n<email>\n"]"#,
    behind_a_backslash: r#"["\\a@example.com"]"# => r#"["\\<email>"]"#,
    two_documents: "{\"ssn\":1}\n{\"ssn\":2}" => "{\"ssn\":\"<json_key>\"}\n{\"ssn\":\"<json_key>\"}",
    a_bare_number: "4111111111111111" => "\"<credit_card>\"",
    no_json_at_all: "ssn: a@example.com ok" => "ssn: \"<email>\" ok",
}

#[test]
fn an_escape_that_begins_a_region_stays_whole() {
    let rule = MaskRule {
        name: "custom".to_owned(),
        detect: vec![
            Detector::Custom("n0+".to_owned()),
            Detector::Custom(r"1+\\".to_owned()),
        ],
        columns: Vec::new(),
        json_keys: Vec::new(),
        strategy: Strategy::Redact,
    };
    let masker = Masker::compile(&[rule], &[], &[7; 32]).unwrap();
    let out = masker
        .mask_json(br#"["\n00","11\u00e9 x"]"#, &mut Hits::new())
        .unwrap();
    let texts: Vec<String> = serde_json::from_slice(&out).unwrap();
    assert_eq!(texts, ["\n[redacted:custom]", "[redacted:custom] x"]);
}

#[test]
fn a_key_at_its_limit_is_compared_and_one_over_counts_as_named() {
    let (at, over) = ("k".repeat(MAX_JSON_KEY), "k".repeat(MAX_JSON_KEY + 1));
    let text = |key: &str| format!(r#"{{"{key}":"v"}}"#);
    assert_eq!(masked(&text(&at)), text(&at));
    assert_eq!(
        masked(&text(&over)),
        format!(r#"{{"{over}":"<json_key>"}}"#)
    );
}

#[test]
fn nesting_at_its_limit_is_read_and_one_over_is_masked() {
    let depth = usize::try_from(MAX_JSON_DEPTH).unwrap();
    let text = |depth: usize| {
        format!(
            "{}\"v\"{},{}",
            "[".repeat(depth),
            "]".repeat(depth),
            r#"{"a":"b"}"#
        )
    };
    assert_eq!(masked(&text(depth)), text(depth));
    let over = masked(&text(depth + 1));
    assert!(
        over.contains("\"<json_key>\"") && over.ends_with(r#"{"a":"b"}"#),
        "{over}"
    );
}

#[test]
fn a_word_at_its_limit_is_quoted_and_one_over_is_masked_as_it_comes() {
    let word = |length: usize| {
        format!(
            "{}a@example.com",
            "x-".repeat(length / 2 - 7) + &"+".repeat(length % 2 + 1)
        )
    };
    let (at, over) = (word(MAX_JSON_BARE), word(MAX_JSON_BARE + 1));
    assert_eq!((at.len(), over.len()), (MAX_JSON_BARE, MAX_JSON_BARE + 1));
    assert_eq!(masked(&at), "\"<email>\"");
    assert!(!masked(&over).contains("example"), "{}", masked(&over));
}

#[test]
fn masked_values_are_counted_once_each() {
    let mut hits = Hits::new();
    masker()
        .mask_json(
            br#"{"ssn":"a\nb","api_x":[1,2],"c":"a@example.com"}"#,
            &mut hits,
        )
        .unwrap();
    assert_eq!(
        (hits.of(Detected::JsonKey), hits.of(Detected::Email)),
        (3, 1)
    );
}

#[test]
fn unchanged_json_is_none() {
    assert_eq!(
        masker().mask_json(br#"{"a": [1, "b"]}"#, &mut Hits::new()),
        None
    );
}
