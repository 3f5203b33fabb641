use super::*;
use crate::Masker;
use crate::limits::{CARRY, CUSTOM_BLOCK, CUSTOM_REACH, HOLD};
use crate::spec::{Detector, MaskRule, Strategy};
use proptest::prelude::*;
use std::sync::LazyLock;

const SECRET: &str = "correct horse battery staple";

fn rule(detect: Vec<Detector>, json_keys: &[&str]) -> MaskRule {
    MaskRule {
        name: "all".to_owned(),
        detect,
        columns: Vec::new(),
        json_keys: json_keys.iter().map(|key| (*key).to_owned()).collect(),
        strategy: Strategy::Tokenise,
    }
}

/// Every detector, two custom expressions, JSON keys and a known secret.
static MASKER: LazyLock<Masker> = LazyLock::new(|| {
    let detect = vec![
        Detector::Email,
        Detector::CreditCard,
        Detector::Iban,
        Detector::Secret,
        Detector::Custom(r"EMP-\d{6}".to_owned()),
        Detector::Custom(r"(?m)^audit .*$".to_owned()),
    ];
    Masker::compile(
        &[rule(detect, &["ssn", "*secret*"])],
        &[SECRET.to_owned()],
        &[1; 32],
    )
    .unwrap()
});

/// The same without JSON keys: JSON then takes a shorter way.
static KEYLESS: LazyLock<Masker> = LazyLock::new(|| {
    let detect = vec![
        Detector::Email,
        Detector::CreditCard,
        Detector::Iban,
        Detector::Secret,
    ];
    Masker::compile(&[rule(detect, &[])], &[SECRET.to_owned()], &[1; 32]).unwrap()
});

fn token() -> String {
    format!("gh{}_{}", 'p', "a1B2c3D4e5F6".repeat(3))
}

fn jwt() -> String {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{}",
        encode(r#"{"alg":"RS256"}"#),
        encode(r#"{"sub":"a"}"#),
        "s".repeat(86)
    )
}

fn private_key(lines: usize) -> String {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n".repeat(lines);
    format!(
        "-----{0} RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----",
        "BEGIN"
    )
}

/// Text with a hit of every kind, also side by side and overlapped.
fn text_corpus() -> Vec<u8> {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("u:{SECRET}!"));
    let parts = [
        "start alice@example.com,bob@example.org end\n".to_owned(),
        "card 4111 1111 1111 1111 and 5555555555554444, iban DE89 3704 0044 0532 0130 00 NO9386011117947.\n".to_owned(),
        format!("token {} and {}\n", token(), jwt()),
        format!("Authorization: Bearer {}\r\npassword={}@example.com\n", jwt(), "Sup3rS3cret"),
        format!("{}\naudit log of EMP-123456 by {SECRET}\n", private_key(3)),
        format!("basic {encoded} postgres://app:s3cr3t@db.example.com/x?api_key=9f8a7b6c5d4e3f2a\n"),
        format!("key EMP-654321EMP-111111 {SECRET}{SECRET} 1700000000000\n"),
        format!("last {}", token()),
    ];
    parts.concat().into_bytes()
}

fn json_corpus() -> Vec<u8> {
    let text = format!(
        r#"{{"a":"alice@example.com","ssn":123456789,"n":-4111111111111111,"x":[4111111111111111,1.5,null,true],
 "client\u005fsecret":{{"k":["deep",7,null,{{"z":"\u00e9\"q\\"}}]}},"m":"\u003cbob@example.com\u003e\n4111 1111 1111 1111",
 "key":"{}","ssn":null,"ssn":"","long":"{}","t":"{} {}", "email" : "x\\carol@example.com"}}
{{"ssn":"1-2","b":false}}"#,
        private_key(2).replace('\n', "\\n"),
        "lorem ipsum ".repeat(20),
        token(),
        jwt(),
    );
    text.into_bytes()
}

fn whole(format: Format, text: &[u8]) -> (Vec<u8>, Hits) {
    pieces(format, &[text])
}

fn pieces(format: Format, pieces: &[&[u8]]) -> (Vec<u8>, Hits) {
    through(&MASKER, format, pieces)
}

fn through(masker: &Masker, format: Format, pieces: &[&[u8]]) -> (Vec<u8>, Hits) {
    let (mut stream, mut out) = (masker.stream(format), Vec::new());
    for piece in pieces {
        stream.push(piece, &mut out);
        assert!(stream.held() <= CARRY);
    }
    stream.finish(&mut out);
    (out, stream.hits().clone())
}

fn every_cut(masker: &Masker, format: Format, corpus: &[u8]) {
    let expected = through(masker, format, &[corpus]);
    for cut in 0..=corpus.len() {
        let (head, tail) = corpus.split_at(cut);
        assert_eq!(
            through(masker, format, &[head, tail]),
            expected,
            "cut at {cut}"
        );
    }
    let bytes: Vec<&[u8]> = corpus.chunks(1).collect();
    assert_eq!(through(masker, format, &bytes), expected, "byte by byte");
}

#[test]
fn text_is_the_same_at_every_cut() {
    every_cut(&MASKER, Format::Text, &text_corpus());
}

#[test]
fn json_is_the_same_at_every_cut() {
    every_cut(&MASKER, Format::Json, &json_corpus());
}

#[test]
fn text_with_json_in_it_is_the_same_at_every_cut() {
    every_cut(&MASKER, Format::Text, &json_corpus());
}

#[test]
fn text_that_claims_to_be_json_is_the_same_at_every_cut() {
    every_cut(&MASKER, Format::Json, &text_corpus());
}

#[test]
fn json_without_named_keys_is_the_same_at_every_cut_and_json() {
    every_cut(&KEYLESS, Format::Json, &json_corpus());
    every_cut(&KEYLESS, Format::Json, &text_corpus());
    let out = through(&KEYLESS, Format::Json, &[&json_corpus()]).0;
    let texts = serde_json::Deserializer::from_slice(&out).into_iter::<serde_json::Value>();
    assert_eq!(texts.filter(Result::is_ok).count(), 2);
}

#[test]
fn json_without_a_hit_passes_unchanged() {
    let text = r#" {"a\u00e9\n":[1,-2.5e3,true,null,"x"],"b":{}} 17 "tail" 4"#;
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    for masker in [&MASKER, &KEYLESS] {
        assert_eq!(through(masker, Format::Json, &bytes).0, text.as_bytes());
        assert_eq!(
            through(masker, Format::Json, &[text.as_bytes()]).0,
            text.as_bytes()
        );
    }
}

#[test]
fn the_corpus_hits_every_detector() {
    let hits = whole(Format::Text, &text_corpus()).1;
    use crate::Detected::*;
    for detected in [
        Email, CreditCard, Iban, Jwt, PrivateKey, Token, Assignment, Secret, Custom,
    ] {
        assert!(hits.of(detected) > 0, "{detected:?}: {hits:?}");
    }
}

#[test]
fn nothing_sensitive_is_left() {
    let out = String::from_utf8(whole(Format::Text, &text_corpus()).0).unwrap();
    for secret in [
        "alice",
        "bob@",
        "1111 1111",
        "5555555",
        "DE89",
        "NO93",
        "a1B2c3",
        "eyJ",
        "MIIE",
        "s3cr3t",
        "Sup3rS3",
        "9f8a",
        "EMP-",
        "correct horse",
        "audit log",
    ] {
        assert!(!out.contains(secret), "{secret} in {out}");
    }
    assert!(out.contains("1700000000000"));
}

#[test]
fn masked_json_is_json() {
    let out = whole(Format::Json, &json_corpus()).0;
    let texts = serde_json::Deserializer::from_slice(&out).into_iter::<serde_json::Value>();
    let texts: Vec<_> = texts
        .map(|text| {
            text.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
        })
        .collect();
    assert_eq!(texts.len(), 2);
}

#[test]
fn a_whole_value_is_masked_like_a_stream() {
    let corpus = text_corpus();
    let masked = MASKER.mask_bytes(&corpus, &mut Hits::new());
    assert_eq!(masked.unwrap(), whole(Format::Text, &corpus).0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_is_like_the_whole(
        order in prop::collection::vec(0..24_usize, 1..60),
        sizes in prop::collection::vec(1..700_usize, 1..40),
        json in any::<bool>(),
    ) {
        let lines = [text_corpus(), json_corpus()].concat();
        let lines: Vec<&[u8]> = lines.split_inclusive(|byte| b"\n,".contains(byte)).collect();
        let corpus: Vec<u8> = order.iter().flat_map(|line| lines[line % lines.len()]).copied().collect();
        let format = if json { Format::Json } else { Format::Text };
        let (mut chunks, mut rest) = (Vec::new(), corpus.as_slice());
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (chunk, left) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = left;
        }
        prop_assert_eq!(pieces(format, &chunks), whole(format, &corpus));
    }

    #[test]
    fn any_bytes_in_any_chunking_are_like_the_whole(
        corpus in prop::collection::vec(prop::sample::select(b"@.:=\"'\\u{}[],-_/ \naeyJkK14%~".to_vec()), 0..2000),
        size in 1..50_usize,
        json in any::<bool>(),
    ) {
        let format = if json { Format::Json } else { Format::Text };
        let chunks: Vec<&[u8]> = corpus.chunks(size).collect();
        prop_assert_eq!(pieces(format, &chunks), whole(format, &corpus));
        let keyless = through(&KEYLESS, format, &[&corpus]);
        prop_assert_eq!(through(&KEYLESS, format, &chunks), keyless);
    }

    #[test]
    fn what_has_no_hit_passes_unchanged(text in "[ghijlmnopq \n]{0,3000}") {
        let (out, hits) = whole(Format::Text, text.as_bytes());
        prop_assert!(hits.is_empty());
        prop_assert_eq!(out, text.as_bytes());
    }
}

#[test]
fn a_private_key_longer_than_the_carry_is_one_mask() {
    let key = private_key(CARRY / 40);
    assert!(key.len() > CARRY);
    let text = format!("before {key} after");
    let (out, hits) = whole(Format::Text, text.as_bytes());
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.starts_with("before tok_private_key_") && out.ends_with(" after"),
        "{out}"
    );
    assert_eq!(
        (
            out.matches("tok_").count(),
            hits.of(crate::Detected::PrivateKey)
        ),
        (1, 1)
    );
    for size in [1, 7, 4096] {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(pieces(Format::Text, &chunks).0, out.as_bytes());
    }
}

#[test]
fn a_jwt_longer_than_any_window_is_one_mask() {
    let text = format!("{}{} end", jwt(), "x".repeat(200_000));
    let out = whole(Format::Text, text.as_bytes()).0;
    assert_eq!(out.len(), "tok_jwt_0123456789abcdef end".len());
}

#[test]
fn a_long_secret_is_found_across_chunks() {
    let secret = format!("{}{}", "0123456789abcdef".repeat(511), "0123456789abcdeX");
    let masker = Masker::compile(&[], std::slice::from_ref(&secret), &[0; 32]).unwrap();
    for size in [1000, 8191] {
        let (mut stream, mut out) = (masker.stream(Format::Text), Vec::new());
        for chunk in format!("a{secret}b").as_bytes().chunks(size) {
            stream.push(chunk, &mut out);
            assert!(stream.held() <= CARRY);
        }
        stream.finish(&mut out);
        assert_eq!(out, b"a[redacted:secret]b");
    }
}

#[test]
fn overlapped_secrets_are_one_region() {
    let secrets = ["abcdefgh".to_owned(), "efghijkl".to_owned()];
    let masker = Masker::compile(&[], &secrets, &[0; 32]).unwrap();
    let mut hits = Hits::new();
    assert_eq!(
        masker.mask_text("xabcdefghijkly", &mut hits),
        "x[redacted:secret]y"
    );
    assert_eq!(
        masker.mask_text("abcdefghefghijkl", &mut hits),
        "[redacted:secret][redacted:secret]"
    );
}

#[test]
fn the_class_is_that_of_the_first_and_the_strategy_the_strictest() {
    let mut email = rule(vec![Detector::Email], &[]);
    email.strategy = Strategy::Partial { keep_last: 3 };
    let mut part = rule(vec![Detector::Custom("example".to_owned())], &[]);
    part.strategy = Strategy::Redact;
    let masker = Masker::compile(&[email, part], &[], &[0; 32]).unwrap();
    assert_eq!(
        masker.mask_text("a@example.com", &mut Hits::new()),
        "[redacted:email]"
    );
    assert_eq!(masker.mask_text("a@other.com", &mut Hits::new()), "****com");
}

#[test]
fn plain_text_is_held_back_by_the_hold_only() {
    let (mut stream, mut out) = (MASKER.stream(Format::Text), Vec::new());
    let custom_free = Masker::compile(&[rule(vec![Detector::Secret], &[])], &[], &[0; 32]).unwrap();
    let mut free = custom_free.stream(Format::Text);
    let text = "lorem ipsum dolor ".repeat(1000);
    free.push(text.as_bytes(), &mut Vec::new());
    stream.push(text.as_bytes(), &mut out);
    assert!(free.held() <= HOLD + 3, "{}", free.held());
    assert!(
        stream.held() <= CUSTOM_BLOCK + 3 * CUSTOM_REACH,
        "{}",
        stream.held()
    );
}

#[test]
fn an_empty_masker_holds_nothing() {
    let masker = Masker::compile(&[], &[], &[0; 32]).unwrap();
    let (mut stream, mut out) = (masker.stream(Format::Text), Vec::new());
    assert!(masker.is_empty());
    stream.push(b"alice@example.com", &mut out);
    assert_eq!(
        (stream.held(), out.as_slice()),
        (0, b"alice@example.com".as_slice())
    );
}

#[test]
fn finish_ends_a_message_and_the_next_one_begins() {
    let (mut stream, mut out) = (MASKER.stream(Format::Text), Vec::new());
    for _ in 0..2 {
        stream.push(b"to alice@example.com", &mut out);
        stream.finish(&mut out);
        assert_eq!(stream.held(), 0);
    }
    assert_eq!(
        String::from_utf8(out)
            .unwrap()
            .matches("to tok_email_")
            .count(),
        2
    );
    assert_eq!(stream.hits().total(), 2);
}

#[test]
fn a_custom_match_at_its_reach_is_found_wherever_it_stands() {
    let custom = rule(vec![Detector::Custom("<[a-z]*>".to_owned())], &[]);
    let masker = Masker::compile(&[custom], &[], &[0; 32]).unwrap();
    let hit = format!("<{}>", "z".repeat(CUSTOM_REACH - 2));
    for before in (0..2 * CUSTOM_BLOCK)
        .step_by(97)
        .chain(CUSTOM_BLOCK - 1030..CUSTOM_BLOCK + 5)
    {
        let text = format!("{}{hit}.", " ".repeat(before));
        let (mut stream, mut out) = (masker.stream(Format::Text), Vec::new());
        text.as_bytes()
            .chunks(1000)
            .for_each(|chunk| stream.push(chunk, &mut out));
        stream.finish(&mut out);
        assert_eq!(stream.hits().total(), 1, "{before}");
        assert!(!out.contains(&b'z') && out.ends_with(b"."), "{before}");
    }
}

/// 1 MiB of what makes naive detectors quadratic: it must come to an end, and stay as it is or
/// be masked, with the carry bounded throughout.
#[test]
fn hostile_streams_pass_in_bounded_memory() {
    let repeated = [
        "@",
        "a@",
        "7",
        "7 ",
        "4111-",
        "eyJ",
        "eyJ.",
        "eyJhbGciOiJub25lIn0",
        "-----BEGIN ",
        "://",
        "://a:",
        "token=",
        "password:",
        "key",
        "DE89",
        "DE89 ",
        "ghp_",
        "hvb.",
        "\"",
        "\\",
        "{",
        "[{\"a\":",
        "\\u003c",
        "sk-",
        "AKIA",
        "%40",
        "correct horse ",
        "EMP-",
    ];
    for unit in repeated {
        let text = unit.repeat((1 << 20) / unit.len());
        for format in [Format::Text, Format::Json] {
            let (mut stream, mut out) = (MASKER.stream(format), Vec::new());
            for chunk in text.as_bytes().chunks(10_000) {
                stream.push(chunk, &mut out);
                assert!(stream.held() <= CARRY, "{unit}: {}", stream.held());
            }
            stream.finish(&mut out);
            assert!(!out.is_empty(), "{unit}");
        }
    }
}
