//! One test a row: a text, and the text masked.

use crate::spec::{Detector, MaskRule, Strategy};
use crate::{Hits, Masker};

fn masked(detector: Detector, text: &str) -> String {
    let rule = MaskRule {
        name: "rule".to_owned(),
        detect: vec![detector],
        columns: Vec::new(),
        json_keys: Vec::new(),
        strategy: Strategy::Redact,
    };
    let masker = Masker::compile(&[rule], &[], &[7; 32]).unwrap();
    let masked = masker.mask_text(text, &mut Hits::new()).into_owned();
    masked.replace("[redacted:", "[")
}

// table: one test a row.
macro_rules! rows {
    ($detector:expr; $($name:ident: $text:expr => $masked:expr,)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(masked($detector, $text), $masked);
        })*
    };
}

mod email {
    use super::*;
    rows! { Detector::Email;
        plain: "to alice@example.com now" => "to [email] now",
        alone: "alice@example.com" => "[email]",
        with_a_tag: "<a.b+c_d%e~f-g@mail.example.co.uk>" => "<[email]>",
        sentence_end: "write to bob@example.org." => "write to [email].",
        two_side_by_side: "a@example.com,b@example.com" => "[email],[email]",
        in_a_query: "?mail=a@example.com&x=1" => "?mail=[email]&x=1",
        behind_an_escaped_line_end: r"x\nalice@example.com" => r"x\n[email]",
        behind_an_escaped_bracket: r"\u003calice@example.com\u003e" => r"\u003c[email]\u003e",
        of_letters_beyond_ascii: "grüße an jörg@bücher.example!" => "grüße an [email]!",
        punycode: "x@example.xn--p1ai" => "[email]",
        no_local_part: "@example.com" => "@example.com",
        no_dot: "root@localhost" => "root@localhost",
        a_package_version: "lodash@4.17.21 left-pad@1.3.0" => "lodash@4.17.21 left-pad@1.3.0",
        an_empty_label: "a@example..com" => "a@example..com",
        a_one_letter_domain: "a@b.c" => "a@b.c",
        two_ats: "a@b@example.com" => "a@[email]",
        leading_dots: "...alice@example.com" => "...[email]",
        a_trailing_hyphen: "a@example.com--" => "[email]--",
    }

    #[test]
    fn a_local_part_at_its_limit_is_whole_and_one_over_is_cut() {
        let at = "a".repeat(crate::detect::email::MAX_LOCAL);
        assert_eq!(
            masked(Detector::Email, &format!("{at}@example.com")),
            "[email]"
        );
        assert_eq!(
            masked(Detector::Email, &format!("b{at}@example.com")),
            "b[email]"
        );
    }

    #[test]
    fn a_local_part_is_never_cut_within_a_character() {
        let long = "ü".repeat(40);
        assert_eq!(
            masked(Detector::Email, &format!("{long}@example.com")),
            format!("{}[email]", "ü".repeat(8))
        );
    }

    #[test]
    fn a_domain_at_its_limit_is_whole() {
        let label = format!("{}.", "d".repeat(61));
        let domain = format!("{}{}", label.repeat(4), "c".repeat(255 - 4 * 62));
        assert_eq!(masked(Detector::Email, &format!("a@{domain}")), "[email]");
        let over = masked(Detector::Email, &format!("a@{domain}c"));
        assert_eq!(over, "[email]c");
    }
}

mod card {
    use super::*;
    rows! { Detector::CreditCard;
        visa: "card 4111111111111111." => "card [credit_card].",
        visa_of_13_digits: "4222222222222" => "[credit_card]",
        visa_in_groups: "4111 1111 1111 1111" => "[credit_card]",
        visa_with_hyphens: "no=4111-1111-1111-1111;" => "no=[credit_card];",
        mastercard: "5555555555554444" => "[credit_card]",
        mastercard_of_the_new_range: "2223003122003222" => "[credit_card]",
        american_express: "3782 822463 10005" => "[credit_card]",
        diners: "30569309025904" => "[credit_card]",
        discover: "6011111111111117" => "[credit_card]",
        jcb: "3530111333300000" => "[credit_card]",
        unionpay_of_19_digits: "6205500000000000004" => "[credit_card]",
        behind_an_escape: r"\n4111111111111111\n" => r"\n[credit_card]\n",
        behind_another_number: "17 4111111111111111 18" => "17 [credit_card] 18",
        wrong_checksum: "4111111111111112" => "4111111111111112",
        no_issuer: "1234567812345670" => "1234567812345670",
        a_timestamp: "1700000000000 ms" => "1700000000000 ms",
        within_a_hash: "ab4111111111111111cd" => "ab4111111111111111cd",
        within_digits: "94111111111111111" => "94111111111111111",
        a_fraction: "0.4111111111111111" => "0.4111111111111111",
        with_a_fraction: "4111111111111111.5" => "4111111111111111.5",
        twelve_digits: "411111111111" => "411111111111",
        double_separators: "4111  1111  1111  1111" => "4111  1111  1111  1111",
    }

    #[test]
    fn twenty_digits_are_no_card() {
        let digits = "4".repeat(20);
        assert_eq!(masked(Detector::CreditCard, &digits), digits);
    }
}

mod iban {
    use super::*;
    rows! { Detector::Iban;
        germany: "DE89370400440532013000" => "[iban]",
        germany_in_groups: "IBAN: DE89 3704 0044 0532 0130 00, BIC" => "IBAN: [iban], BIC",
        britain: "(GB29NWBK60161331926819)" => "([iban])",
        france_with_letters: "FR14 2004 1010 0505 0001 3M02 606" => "[iban]",
        norway_the_shortest: "NO9386011117947" => "[iban]",
        malta_the_longest_but_two: "MT84MALT011000012345MTLCAST001S" => "[iban]",
        behind_a_word: "TO DE89370400440532013000 NOW" => "TO [iban] NOW",
        two: "DE89370400440532013000 NO9386011117947" => "[iban] [iban]",
        wrong_checksum: "DE88370400440532013000" => "DE88370400440532013000",
        wrong_length: "DE8937040044053201300" => "DE8937040044053201300",
        unknown_country: "XX89370400440532013000" => "XX89370400440532013000",
        longer_than_it_is: "DE893704004405320130001" => "DE893704004405320130001",
        in_a_word: "XDE89370400440532013000" => "XDE89370400440532013000",
        in_odd_groups: "DE893 70400 4405 3201 3000" => "DE893 70400 4405 3201 3000",
    }
}

mod jwt {
    use super::*;

    fn token(header: &str) -> String {
        use base64::Engine;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.c2lnbmF0dXJl",
            encode(header),
            encode(r#"{"sub":"alice"}"#)
        )
    }

    rows! { Detector::Jwt;
        signed: &format!("Bearer {}", token(r#"{"alg":"RS256"}"#)) => "Bearer [jwt]",
        quoted: &format!("\"{}\"", token(r#"{"typ":"JWT","alg":"ES256"}"#)) => "\"[jwt]\"",
        in_a_cookie: &format!("s={}; x", token(r#"{"alg":"none"}"#)) => "s=[jwt]; x",
        behind_an_escape: &format!(r"\n{}", token(r#"{"alg":"RS256"}"#)) => r"\n[jwt]",
        no_alg: &token(r#"{"typ":"JWT"}"#) => token(r#"{"typ":"JWT"}"#),
        no_json: "eyJhbGci.eyJzdWIi.c2ln" => "eyJhbGci.eyJzdWIi.c2ln",
        no_second_part: "eyJhbGciOiJub25lIn0" => "eyJhbGciOiJub25lIn0",
        nothing_behind_the_dot: "eyJhbGciOiJub25lIn0. And" => "eyJhbGciOiJub25lIn0. And",
    }

    #[test]
    fn a_header_at_its_limit_is_found_and_one_over_is_not() {
        let header = |filler: usize| format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(filler));
        let at = (0..2000).rev().find(|filler| {
            token(&header(*filler)).split('.').next().unwrap().len()
                <= crate::limits::MAX_JWT_HEADER
        });
        let (at, over) = (token(&header(at.unwrap())), token(&header(at.unwrap() + 3)));
        assert_eq!(masked(Detector::Jwt, &at), "[jwt]");
        assert_eq!(masked(Detector::Jwt, &over), over);
    }
}

mod private_key {
    use super::*;

    fn block(label: &str, body: &str) -> String {
        format!(
            "-----{} {label}-----\n{body}\n-----END {label}-----",
            "BEGIN"
        )
    }

    rows! { Detector::PrivateKey;
        pkcs8: &format!("x {} y", block("PRIVATE KEY", "MIIE+/a=\nAbc")) => "x [private_key] y",
        rsa: &block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nMIIE") => "[private_key]",
        openssh: &block("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXk") => "[private_key]",
        pgp: &block("PGP PRIVATE KEY BLOCK", "Version: GnuPG v2\n\nlQOY") => "[private_key]",
        escaped: &format!("\"{}\"", block("EC PRIVATE KEY", "MHc").replace('\n', r"\n")) => "\"[private_key]\"",
        without_an_end: &format!("\"{} PRIVATE KEY-----\nMIIE\", \"b\"", "-----BEGIN") => "\"[private_key]\", \"b\"",
        two: &format!("{0};{0}", block("PRIVATE KEY", "MIIE")) => "[private_key];[private_key]",
        dashes_before_the_end: &block("PRIVATE KEY", "MIIE\n---") => "[private_key]",
        dashes_in_the_footer_s_beginning: &block("PRIVATE KEY", "MIIE\n-----E-----E------EN") => "[private_key]",
        a_certificate: &block("CERTIFICATE", "MIIE") => block("CERTIFICATE", "MIIE"),
        a_public_key: &block("PUBLIC KEY", "MIIE") => block("PUBLIC KEY", "MIIE"),
        a_bare_begin: "-----BEGIN of a poem-----" => "-----BEGIN of a poem-----",
    }

    #[test]
    fn base64_of_a_key_is_found() {
        use base64::Engine;
        let engine = &base64::engine::general_purpose::STANDARD;
        let encoded = engine.encode(block("RSA PRIVATE KEY", &"MIIE".repeat(30)));
        assert_eq!(
            masked(Detector::PrivateKey, &format!("key: {encoded}\n")),
            "key: [private_key]\n"
        );
        let certificate = engine.encode(block("CERTIFICATE", &"MIIE".repeat(30)));
        assert_eq!(masked(Detector::PrivateKey, &certificate), certificate);
    }
}

mod assignment {
    use super::*;
    rows! { Detector::Assignment;
        environment: "PGPASSWORD=s3cr3t-demo psql" => "PGPASSWORD=[assignment] psql",
        yaml: "password: Hunter2Hunter" => "password: [assignment]",
        json: r#"{"api_key": "9f8a7b6c5d4e3f2a"}"#  => r#"{"api_key": "[assignment]"}"#,
        json_in_json: r#"{\"client_secret\":\"aB3dE5gH7j\"}"# => r#"{\"client_secret\":\"[assignment]\"}"#,
        arrow: "token => 'a1b2c3d4e5f6g7h8'" => "token => '[assignment]'",
        option: "--api-key=k3y8sd7f6g5h4j3k" => "--api-key=[assignment]",
        longer_name: "AWS_ACCESS_KEY_FOR_CI=q1w2e3r4t5y6u7i8" => "AWS_ACCESS_KEY_FOR_CI=[assignment]",
        prose: "the token was not accepted: try again" => "the token was not accepted: try again",
        a_word: "password: required" => "password: required",
        short: "pwd=a1" => "pwd=a1",
        a_variable: "password=${DB_PASSWORD_2}" => "password=${DB_PASSWORD_2}",
        an_endpoint: "token_endpoint: login.example.com/v2/a1b2c3d4" => "token_endpoint: login.example.com/v2/a1b2c3d4",
        a_type: "token_type=a1b2c3d4e5f6g7h8" => "token_type=a1b2c3d4e5f6g7h8",
        low_entropy: "api_key=11111111111111111111" => "api_key=11111111111111111111",
        no_separator: "token a1b2c3d4e5f6g7h8" => "token a1b2c3d4e5f6g7h8",
        url: "postgres://app:s3cr3t@db.example.com/x" => "postgres://app:[assignment]@db.example.com/x",
        url_without_a_user: "redis://:pw@192.0.2.1" => "redis://:[assignment]@192.0.2.1",
        url_with_a_port: "http://example.com:8080/a@b" => "http://example.com:8080/a@b",
        url_with_a_user: "ssh://git@example.com/x" => "ssh://git@example.com/x",
        url_with_an_empty_password: "ftp://u:@example.com" => "ftp://u:@example.com",
    }

    #[test]
    fn a_value_longer_than_its_window_is_masked_to_its_end() {
        let value = "a1B2c3D4e5".repeat(100);
        assert_eq!(
            masked(Detector::Assignment, &format!("token={value} x")),
            "token=[assignment] x"
        );
    }
}

mod custom {
    use super::*;
    rows! { Detector::Custom(r"EMP-\d{6}".to_owned());
        whole: "by EMP-123456." => "by [custom].",
        many: "EMP-123456EMP-654321" => "[custom][custom]",
        none: "EMP-12345" => "EMP-12345",
    }
    rows! { Detector::Custom(r"(?i)ssn[:=] ?(\d{3}-\d{2}-\d{4})".to_owned());
        group: "SSN: 123-45-6789" => "SSN: [custom]",
    }
    rows! { Detector::Custom("x*".to_owned());
        empty_matches: "axxb" => "a[custom]b",
    }
    rows! { Detector::Custom("é+".to_owned());
        characters: "caféé" => "caf[custom]",
    }
}

mod tools {
    use super::super::*;

    #[test]
    fn entropy_is_in_bits_a_byte() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert!((entropy(b"abab") - 1.0).abs() < 1e-9);
        assert!((entropy(b"abcdefgh") - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_that_reaches_the_end_of_an_incomplete_view_is_not_known() {
        let view = |complete| View {
            bytes: b"xaaa",
            complete,
        };
        assert_eq!(view(false).run(1, 10, |b| b == b'a'), None);
        assert_eq!(view(true).run(1, 10, |b| b == b'a'), Some(3));
        assert_eq!(view(false).run(1, 3, |b| b == b'a'), Some(3));
    }

    #[test]
    fn words_begin_behind_escapes() {
        let starts = |text: &str| {
            View {
                bytes: text.as_bytes(),
                complete: true,
            }
            .word_starts(text.len())
        };
        for text in ["", " ", r"\n", r"\t", "%3D", r"\u003c", "=", "ü"] {
            assert!(starts(text), "{text}");
        }
        for text in ["a", "_", "n", "3D", r"x\q", "%3", "%G1"] {
            assert!(!starts(text), "{text}");
        }
    }

    #[test]
    fn a_tail_of_a_token_ends_at_the_first_other_character() {
        let mut tail = Tail::Token;
        assert_eq!(tail.take(b"abc="), 4);
        assert_eq!(tail.take(b"d e"), 1);
        assert_eq!(tail, Tail::None);
        assert_eq!(tail.take(b"e"), 0);
    }

    #[test]
    fn a_tail_of_a_jwt_takes_five_parts() {
        let mut tail = Tail::Jwt(1);
        assert_eq!(tail.take(b"b.c.d.e.f"), 7);
    }
}
