//! The corpus that is also fuzz seed: every transcript is read, and read alike at every cut.

use super::super::frames::Frames;
use super::super::request::RequestHead;
use super::super::response::ResponseHead;
use super::super::scan::{HeadScan, Scanned};

fn transcripts(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!(
        "{}/../../tests/corpus/http/{kind}",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut read = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        read.push((name, std::fs::read(entry.path()).unwrap()));
    }
    read.sort();
    read
}

/// Where the head ends, found in two parts.
fn head_of(bytes: &[u8], cut: usize) -> usize {
    let mut scan = HeadScan::default();
    let first = scan.scan(&bytes[..cut]).unwrap();
    match (first, scan.scan(bytes)) {
        (Scanned::Head(length), _) | (_, Ok(Scanned::Head(length))) => length,
        other => panic!("{other:?}"),
    }
}

/// How many bytes of the body are read in two parts, and whether that is all of it.
fn body_of(mut frames: Frames, body: &[u8], cut: usize) -> (usize, bool) {
    let first = frames.measure(&body[..cut]).unwrap();
    let second = frames.measure(&body[first..]).unwrap();
    (
        first + second,
        frames.is_done() || frames.end_of_stream().is_ok(),
    )
}

#[test]
fn requests_are_read_alike_at_every_cut() {
    let requests = transcripts("requests");
    assert!(requests.len() >= 10);
    for (name, bytes) in requests {
        let head = head_of(&bytes, bytes.len());
        assert!(
            (0..bytes.len()).all(|cut| head_of(&bytes, cut) == head),
            "{name}"
        );
        let (_, read) = RequestHead::parse(&bytes[..head]).unwrap();
        let body = &bytes[head..];
        for cut in 0..=body.len() {
            assert_eq!(
                body_of(Frames::of(read.body), body, cut),
                (body.len(), true),
                "{name}"
            );
        }
    }
}

#[test]
fn responses_are_read_alike_at_every_cut() {
    let responses = transcripts("responses");
    assert!(responses.len() >= 7);
    for (name, bytes) in responses {
        let head = head_of(&bytes, bytes.len());
        assert!(
            (0..bytes.len()).all(|cut| head_of(&bytes, cut) == head),
            "{name}"
        );
        let read = ResponseHead::parse(&bytes[..head], false).unwrap();
        let body = &bytes[head..];
        for cut in 0..=body.len() {
            assert_eq!(
                body_of(Frames::of(read.body), body, cut),
                (body.len(), true),
                "{name}"
            );
        }
    }
}
