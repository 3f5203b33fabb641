//! A response is the same wherever it is cut, framing and coding taken off, and no piece of it
//! decodes to more than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{cuts_and_stream, http};
use sluice_protocols::http::decode::{DecodeFault, Decoder};
use sluice_protocols::http::fields::Body;
use sluice_protocols::http::frames::Frames;
use sluice_protocols::http::limits::{DECODE_PIECE, DECODED_PIECE};
use sluice_protocols::http::response::{Coding, ResponseHead};
use sluice_protocols::http::scan::Scanned;

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = cuts_and_stream(input) else {
        return;
    };
    let found = http::head([stream].into_iter());
    assert_eq!(found, http::head(cuts.of(stream)));
    let Ok(Scanned::Head(length)) = found else {
        return;
    };
    let (head, rest) = stream.split_at(length);
    let Ok(read) = ResponseHead::parse(head, false) else {
        return;
    };
    assert!(ResponseHead::parse(&head[..length - 1], false).is_err());
    says_where_it_ends(head, &read);
    let whole = http::body(Frames::of(read.body), [rest].into_iter());
    assert_eq!(whole, http::body(Frames::of(read.body), cuts.of(rest)));
    let Ok(body) = whole else {
        return;
    };
    let whole = decoded(read.coding, [body.data.as_slice()].into_iter());
    let cut = decoded(read.coding, cuts.of(&body.data));
    match (&whole, &cut) {
        // Smaller pieces may each stay below the limit for one.
        (Err(DecodeFault::Bomb), _) => {}
        (Ok(_), _) => assert!(whole == cut, "{} bytes decode to two things", rest.len()),
        (Err(_), _) => assert!(cut.is_err(), "{whole:?} whole, and nothing in pieces"),
    }
});

/// RFC 9112, section 6.3.
fn says_where_it_ends(head: &[u8], read: &ResponseHead) {
    assert!((100..=599).contains(&read.status));
    let bodiless = matches!(read.status, 100..=199 | 204 | 304);
    assert_eq!(read.body == Body::None, bodiless);
    assert_eq!(
        read.is_interim(),
        (100..200).contains(&read.status) && read.status != 101
    );
    let to_head = ResponseHead::parse(head, true).expect("it was read before");
    assert_eq!(to_head.body, Body::None);
}

/// A body without its coding.
fn decoded<'a>(
    coding: Coding,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, DecodeFault> {
    let mut decoder = Decoder::new(coding)?;
    let mut out = Vec::new();
    for chunk in chunks {
        let before = out.len();
        let pushed = decoder.push(chunk, &mut |piece: &[u8]| out.extend_from_slice(piece));
        let pieces = chunk.len().div_ceil(DECODE_PIECE).max(1);
        assert!(out.len() - before <= pieces * DECODED_PIECE, "{coding:?}");
        pushed?;
    }
    let before = out.len();
    decoder.finish(&mut |piece: &[u8]| out.extend_from_slice(piece))?;
    assert!(out.len() - before <= DECODED_PIECE, "{coding:?}");
    Ok(out)
}
