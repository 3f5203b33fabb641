//! Content codings come off in bounded pieces.

use std::io::Write;

use super::super::decode::{DecodeFault, Decoder};
use super::super::response::Coding;

pub(super) fn encode(coding: Coding, plain: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity | Coding::Unknown => plain.to_vec(),
        Coding::Gzip => {
            let mut gzip =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(plain).unwrap();
            gzip.finish().unwrap()
        }
        Coding::Deflate => {
            let mut zlib =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            zlib.write_all(plain).unwrap();
            zlib.finish().unwrap()
        }
        Coding::Brotli => {
            let mut out = Vec::new();
            brotli::BrotliCompress(
                &mut &plain[..],
                &mut out,
                &brotli::enc::BrotliEncoderParams::default(),
            )
            .unwrap();
            out
        }
        Coding::Zstd => zstd::encode_all(plain, 3).unwrap(),
    }
}

pub(super) const CODINGS: [Coding; 5] = [
    Coding::Identity,
    Coding::Gzip,
    Coding::Deflate,
    Coding::Brotli,
    Coding::Zstd,
];

fn decode(coding: Coding, parts: &[&[u8]]) -> Result<Vec<u8>, DecodeFault> {
    let (mut decoder, mut plain) = (Decoder::new(coding)?, Vec::new());
    for part in parts {
        decoder.push(part, &mut |bytes| plain.extend_from_slice(bytes))?;
    }
    decoder.finish(&mut |bytes| plain.extend_from_slice(bytes))?;
    Ok(plain)
}

fn text() -> Vec<u8> {
    (0..4000)
        .flat_map(|n| format!("line {n} of {}\n", n * 7919 % 1013).into_bytes())
        .collect()
}

#[test]
fn every_coding_comes_off_at_every_cut() {
    let plain = &text()[..2000];
    for coding in CODINGS {
        let encoded = encode(coding, plain);
        for cut in 0..=encoded.len() {
            let decoded = decode(coding, &[&encoded[..cut], &encoded[cut..]]);
            assert_eq!(decoded.as_deref(), Ok(plain), "{coding:?} cut at {cut}");
        }
    }
}

#[test]
fn larger_bodies_come_off_too() {
    let plain = text();
    for coding in CODINGS {
        assert_eq!(
            decode(coding, &[&encode(coding, &plain)]),
            Ok(plain.clone()),
            "{coding:?}"
        );
    }
}

#[test]
fn raw_deflate_is_deflate_too() {
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    raw.write_all(&text()).unwrap();
    assert_eq!(
        decode(Coding::Deflate, &[&raw.finish().unwrap()]),
        Ok(text())
    );
}

#[test]
fn gzip_members_and_zstd_frames_may_follow_one_another() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let twice = [encode(coding, b"one "), encode(coding, b"two")].concat();
        assert_eq!(
            decode(coding, &[&twice]),
            Ok(b"one two".to_vec()),
            "{coding:?}"
        );
    }
}

#[test]
fn a_body_that_ends_early_is_cut_short() {
    for coding in &CODINGS[1..] {
        let encoded = encode(*coding, &text());
        for end in [1, 5, encoded.len() / 2, encoded.len() - 1] {
            assert_eq!(
                decode(*coding, &[&encoded[..end]]),
                Err(DecodeFault::CutShort),
                "{coding:?} {end}"
            );
        }
    }
}

#[test]
fn no_body_at_all_is_no_fault() {
    for coding in CODINGS {
        assert_eq!(decode(coding, &[]), Ok(Vec::new()), "{coding:?}");
    }
}

#[test]
fn garbage_and_trailing_bytes_are_corrupt() {
    for coding in &CODINGS[1..] {
        assert!(
            decode(
                *coding,
                &[b"this is plain text, not encoded at all, and long enough"]
            )
            .is_err(),
            "{coding:?}"
        );
        let trailing = [&encode(*coding, b"hello")[..], b"trailing garbage"].concat();
        assert!(decode(*coding, &[&trailing]).is_err(), "{coding:?}");
    }
    assert_eq!(decode(Coding::Unknown, &[]), Err(DecodeFault::Coding));
}

#[test]
fn bombs_are_found_before_they_fill_memory() {
    let zeros = vec![0; 64 * 1024 * 1024];
    for coding in &CODINGS[1..] {
        let bomb = encode(*coding, &zeros);
        let (mut decoder, mut most, mut total) = (Decoder::new(*coding).unwrap(), 0, 0);
        let result = decoder.push(&bomb, &mut |bytes| {
            most = most.max(bytes.len());
            total += bytes.len();
        });
        assert_eq!(result, Err(DecodeFault::Bomb), "{coding:?}");
        assert!(
            total <= 1024 * 1024 && most <= 2 * 1024 * 1024,
            "{coding:?}: {total}, {most}"
        );
    }
}
