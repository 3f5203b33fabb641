//! A masked stream is the same wherever it is cut, and a known secret never comes through.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::cuts_and_stream;
use sluice_masking::{Detector, Format, MaskRule, Masker, Strategy};

const SECRET: &str = "hunter2-of-the-job";

static MASKER: LazyLock<Masker> = LazyLock::new(|| {
    let rules = [
        rule("contact", vec![Detector::Email], Strategy::Tokenise),
        rule(
            "money",
            vec![Detector::CreditCard, Detector::Iban],
            Strategy::Partial { keep_last: 4 },
        ),
        rule("credentials", vec![Detector::Secret], Strategy::Redact),
        rule(
            "ticket",
            vec![Detector::Custom("TICKET-([0-9]{4,12})".to_owned())],
            Strategy::Hash,
        ),
    ];
    Masker::compile(&rules, &[SECRET.to_owned()], &[7; 32]).expect("the rules are right")
});

fn rule(name: &str, detect: Vec<Detector>, strategy: Strategy) -> MaskRule {
    MaskRule {
        name: name.to_owned(),
        detect,
        columns: Vec::new(),
        json_keys: vec!["*secret*".to_owned()],
        strategy,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = cuts_and_stream(input) else {
        return;
    };
    for format in [Format::Text, Format::Json] {
        let whole = masked(format, [stream].into_iter());
        assert_eq!(whole, masked(format, cuts.of(stream)), "{format:?}");
        if format == Format::Text {
            let through = whole
                .0
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes());
            assert!(!through, "the job's secret came through");
        }
    }
});

/// The masked stream, and how much was masked.
fn masked<'a>(format: Format, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, u64) {
    let mut masker = MASKER.stream(format);
    let mut out = Vec::new();
    for chunk in chunks {
        masker.push(chunk, &mut out);
    }
    masker.finish(&mut out);
    (out, masker.hits().total())
}
