use super::*;
use crate::{Hits, Masker};
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

const SECRET: &str = "p@ss/w\"ord <1> ünï+";

fn masked(text: &str) -> String {
    let masker = Masker::compile(&[], &[SECRET.to_owned()], &[7; 32]).unwrap();
    masker.mask_text(text, &mut Hits::new()).into_owned()
}

#[test]
fn the_secret_itself() {
    assert_eq!(masked(&format!("a{SECRET}b")), "a[redacted:secret]b");
}

#[test]
fn in_another_case_it_is_another_text() {
    let other = SECRET.to_uppercase();
    assert_eq!(masked(&other), other);
}

#[test]
fn base64_at_each_alignment() {
    for before in ["", "u", "us", "user:", "user:x"] {
        for engine in [&STANDARD, &URL_SAFE] {
            let encoded = engine.encode(format!("{before}{SECRET}@tail"));
            let masked = masked(&encoded);
            assert!(masked.contains("[redacted:secret]"), "{before:?}: {masked}");
            // At most the two digits at each end that mix with the bytes around are left.
            let whole = (before.len() + "@tail".len()) * 8 / 6 + 4 + "[redacted:secret]".len();
            assert!(masked.len() <= whole + 2, "{before:?}: {masked}");
        }
    }
}

#[test]
fn percent_encoded() {
    let strict = percent(SECRET, b"-_.~", false);
    let lower = percent(SECRET, b"-_.~", true);
    for form in [strict, lower] {
        assert_eq!(
            masked(&String::from_utf8(form).unwrap()),
            "[redacted:secret]"
        );
    }
    assert_eq!(percent("a b/ü", b"-_.~", false), b"a%20b%2F%C3%BC");
}

#[test]
fn form_encoded() {
    assert_eq!(form("a b&c"), b"a+b%26c");
    assert_eq!(
        masked(&String::from_utf8(form(SECRET)).unwrap()),
        "[redacted:secret]"
    );
}

#[test]
fn json_escaped() {
    for form in json(SECRET) {
        assert_eq!(
            masked(&String::from_utf8(form).unwrap()),
            "[redacted:secret]"
        );
    }
}

#[test]
fn a_secret_in_quotes_keeps_its_escapes() {
    assert_eq!(json("\"q\"").first().unwrap(), br#"\"q\""#);
}

#[test]
fn a_plain_secret_has_few_forms() {
    // Itself and three alignments; both base64 alphabets agree.
    assert_eq!(forms("hunter2hunter2").len(), 4);
}

#[test]
fn no_form_is_shorter_than_the_gate_takes() {
    for secret in ["abcdef", "123456", "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}"] {
        assert!(
            forms(secret).iter().all(|form| form.len() >= 6),
            "{secret:?}"
        );
    }
}
