//! Prints how many MB a second one core masks, by kind of text and set of detectors.
//!
//! `cargo run --release -p sluice-masking --example throughput`

use sluice_masking::{Detector, Format, MaskRule, Masker, Strategy};

const SIZE: usize = 32 << 20;
const CHUNK: usize = 16 << 10;
const ROUNDS: usize = 5;

fn main() {
    let secret = vec![Detector::Secret];
    let all = vec![
        Detector::Secret,
        Detector::Email,
        Detector::CreditCard,
        Detector::Iban,
    ];
    let masker = |detect: Vec<Detector>| {
        let (columns, json_keys) = (Vec::new(), Vec::new());
        let strategy = Strategy::Redact;
        let rule = MaskRule {
            name: "bench".to_owned(),
            detect,
            columns,
            json_keys,
            strategy,
        };
        Masker::compile(&[rule], &["correct-horse-battery".to_owned()], &[0; 32])
    };
    let code = include_str!("../src/find.rs").to_owned() + include_str!("../src/json.rs");
    for (kind, unit) in [("http json", json()), ("sql", sql()), ("code", code)] {
        let text: Vec<u8> = unit.bytes().cycle().take(SIZE).collect();
        for (set, detect) in [("secret", &secret), ("all", &all)] {
            let Ok(masker) = masker(detect.clone()) else {
                continue;
            };
            let json = kind == "http json";
            let formats = [Some(Format::Text), json.then_some(Format::Json)];
            for format in formats.into_iter().flatten() {
                let (rate, hits) = measure(&masker, format, &text);
                println!("{kind:<10} {set:<7} {format:?}: {rate:>5.0} MB/s, {hits} hits");
            }
        }
    }
}

/// The median rate, and the hits of one round.
fn measure(masker: &Masker, format: Format, text: &[u8]) -> (f64, u64) {
    let mut rates = Vec::new();
    let mut hits = 0;
    for _ in 0..ROUNDS {
        let (mut stream, mut out) = (masker.stream(format), Vec::with_capacity(CHUNK * 2));
        let start = cpu_seconds();
        for chunk in text.chunks(CHUNK) {
            out.clear();
            stream.push(chunk, &mut out);
        }
        stream.finish(&mut out);
        let megabytes = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)) / 1e6;
        rates.push(megabytes / (cpu_seconds() - start));
        hits = stream.hits().total();
    }
    rates.sort_by(f64::total_cmp);
    (rates.get(ROUNDS / 2).copied().unwrap_or_default(), hits)
}

/// Seconds that this thread was on a core (Linux, proc(5) `schedstat`): other load on the
/// machine does not count.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat
        .split(' ')
        .next()
        .and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

fn json() -> String {
    let row = |n: u32| {
        format!(
            "{{\"id\":{n},\"name\":\"Order number {n} of the second quarter\",\"state\":\"delivered\",\
             \"created_at\":\"2026-03-{:02}T12:{:02}:07Z\",\"total\":{}.{:02},\"tags\":[\"blue\",\"fragile\"],\
             \"note\":\"leave it with the neighbour on the left, please\",\"href\":\"/api/orders/{n}\"}},\n",
            n % 28 + 1,
            n % 60,
            n * 7 % 1000,
            n % 100,
        )
    };
    (100_000..100_800).map(row).collect()
}

fn sql() -> String {
    let row = |n: u32| {
        format!(
            "INSERT INTO shipping.parcels (id, carrier, weight, received, comment) VALUES ({n}, 'north wind', \
             {}.{}, '2026-05-{:02} 08:{:02}:00', 'second attempt, door was closed');\n\
             SELECT p.id, count(*) FROM shipping.parcels p JOIN shipping.routes r ON r.id = p.route_id \
             WHERE p.received > now() - interval '1 day' GROUP BY p.id ORDER BY 2 DESC LIMIT 50;\n",
            n % 40,
            n % 10,
            n % 28 + 1,
            n % 60,
        )
    };
    (5_000..5_400).map(row).collect()
}
