//! A log that an earlier version wrote, and single frames of it: also seeds of the fuzzer.

use std::path::{Path, PathBuf};

use sluice_flow::ports::{SessionFilter, Sessions as _};
use tempfile::tempdir;

use crate::frame::{Decoded, decode};
use crate::{Store, verify};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/corpus/store")
        .join(name)
}

#[test]
fn a_log_of_version_1_is_read_and_written_on() {
    let dir = tempdir().unwrap();
    for entry in std::fs::read_dir(corpus("v1")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.frames, report.sessions, report.notes), (10, 2, 1));
    let store = super::sample::store(dir.path());
    super::sample::whole(&store);
    assert_eq!(store.list(&SessionFilter::default()).unwrap().len(), 3);
    drop(store);
    assert!(verify(dir.path()).unwrap().is_whole());
    assert!(
        Store::open_read(dir.path())
            .unwrap()
            .notes(1)
            .unwrap()
            .len()
            == 1
    );
}

#[test]
fn frames_are_decoded_at_every_cut() {
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus("frames")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for cut in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..cut]), Decoded::NeedMore(_)));
        }
        assert!(matches!(decode(&bytes), Decoded::Consumed(_, whole) if whole == bytes.len()));
        seen += 1;
    }
    assert_eq!(seen, 10);
}

/// Writes the corpus anew; only for a new version of the format, into a new directory.
#[test]
#[ignore = "writes the corpus"]
fn write_the_corpus() {
    let dir = tempdir().unwrap();
    let store = super::sample::store(dir.path());
    store.note(crate::Note::EventsLost { count: 1 }).unwrap();
    super::sample::whole(&store);
    drop(super::sample::start(&store));
    drop(store);
    std::fs::create_dir_all(corpus("v1")).unwrap();
    std::fs::create_dir_all(corpus("frames")).unwrap();
    let name = "00000000000000000000.log";
    let bytes = std::fs::read(dir.path().join(name)).unwrap();
    let mut rest = &bytes[crate::frame::SEGMENT_HEADER..];
    for number in 0.. {
        let Decoded::Consumed(frame, whole) = decode(rest) else {
            break;
        };
        let kind = format!("{:?}", frame.header.kind).to_lowercase();
        std::fs::write(
            corpus("frames").join(format!("{number:02}-{kind}")),
            &rest[..whole],
        )
        .unwrap();
        rest = &rest[whole..];
    }
    for name in [name, "head"] {
        std::fs::copy(dir.path().join(name), corpus("v1").join(name)).unwrap();
    }
}
