//! Every change to a log shows.

use std::path::{Path, PathBuf};

use sluice_flow::ports::{SessionFilter, Sessions as _};
use tempfile::{TempDir, tempdir};

use super::sample::{self, whole};
use crate::frame::Broken;
use crate::{Fault, Head, Note, Report, verify, verify_against};

/// A closed log of several segments.
fn log() -> (TempDir, Vec<PathBuf>) {
    let dir = tempdir().unwrap();
    let store = sample::small(dir.path());
    store.note(Note::EventsLost { count: 1 }).unwrap();
    sample::several(&store, 4);
    drop(store);
    let segments = crate::segment::list(dir.path()).unwrap();
    assert!(segments.len() >= 3);
    (
        dir,
        segments.into_iter().map(|segment| segment.path).collect(),
    )
}

fn fault(dir: &Path) -> Fault {
    let report = verify(dir).unwrap();
    report
        .bad
        .unwrap_or_else(|| panic!("{dir:?} is whole"))
        .what
}

#[test]
fn a_log_as_it_was_written_is_whole() {
    let (dir, segments) = log();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!((report.frames, report.sessions, report.notes), (21, 4, 1));
    assert_eq!(report.segments, segments.len() as u64);
    assert!(
        report
            .to_string()
            .starts_with("whole: 21 records of 4 sessions")
    );
}

#[test]
fn every_changed_byte_is_found_in_its_segment() {
    let (dir, segments) = log();
    for path in segments {
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, bytes).unwrap();
            let report = verify(dir.path()).unwrap();
            let bad = report
                .bad
                .unwrap_or_else(|| panic!("byte {at} of {path:?}"));
            assert_eq!(bad.file, path, "byte {at}: {bad:?}");
            assert!(bad.offset <= at as u64, "byte {at}: {bad:?}");
        }
        std::fs::write(&path, good).unwrap();
    }
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn every_cut_of_the_end_is_found() {
    let (dir, segments) = log();
    let path = segments.last().unwrap();
    let good = std::fs::read(path).unwrap();
    for len in 0..good.len() {
        std::fs::write(path, &good[..len]).unwrap();
        assert!(!verify(dir.path()).unwrap().is_whole(), "cut to {len}");
    }
}

#[test]
fn a_cut_shows_for_good_after_the_log_was_opened_again() {
    let (dir, segments) = log();
    let last = segments.last().unwrap();
    let bytes = std::fs::read(last).unwrap();
    std::fs::write(last, &bytes[..bytes.len() - 200]).unwrap();
    let store = sample::small(dir.path());
    let id = whole(&store);
    assert_eq!(store.events(id).unwrap().len(), 4);
    let notes = store.notes(10).unwrap();
    assert!(
        matches!(&notes.last().unwrap().note, Note::Damaged { .. }),
        "{notes:?}"
    );
    drop(store);
    assert!(matches!(fault(dir.path()), Fault::Gap { .. }));
}

#[test]
fn damage_in_the_middle_shows_for_good_and_the_log_goes_on() {
    let (dir, segments) = log();
    let last = segments.last().unwrap();
    let mut bytes = std::fs::read(last).unwrap();
    let middle = crate::frame::SEGMENT_HEADER + 2;
    bytes[middle] ^= 1;
    std::fs::write(last, &bytes).unwrap();
    let store = sample::small(dir.path());
    let id = whole(&store);
    drop(store);
    assert_eq!(
        std::fs::read(last).unwrap(),
        bytes,
        "evidence is left alone"
    );
    let report = verify(dir.path()).unwrap();
    assert_eq!(
        report.bad.unwrap().what,
        Fault::Broken(Broken::HeaderChecksum)
    );
    let store = sample::small(dir.path());
    assert_eq!(store.events(id).unwrap().len(), 4);
    assert!(
        store
            .list(&SessionFilter::default())
            .unwrap()
            .iter()
            .any(|found| found.id == id)
    );
}

#[test]
fn a_removed_segment_is_found() {
    for at in 0.. {
        let (dir, segments) = log();
        let Some(path) = segments.get(at) else {
            break;
        };
        std::fs::remove_file(path).unwrap();
        let last = at + 1 == segments.len();
        let what = fault(dir.path());
        assert!(matches!(what, Fault::Gap { .. }) != last, "{at}: {what}");
        assert!(matches!(what, Fault::Cut { .. }) == last, "{at}: {what}");
    }
}

#[test]
fn all_segments_removed_is_found() {
    let (dir, segments) = log();
    segments
        .iter()
        .for_each(|path| std::fs::remove_file(path).unwrap());
    assert!(matches!(fault(dir.path()), Fault::Cut { .. }));
    drop(sample::small(dir.path()));
    assert!(matches!(fault(dir.path()), Fault::Gap { from: 0, .. }));
}

#[test]
fn segments_in_another_order_are_found() {
    let (dir, segments) = log();
    let swap = dir.path().join("swap");
    std::fs::rename(&segments[1], &swap).unwrap();
    std::fs::rename(&segments[2], &segments[1]).unwrap();
    std::fs::rename(&swap, &segments[2]).unwrap();
    assert_eq!(fault(dir.path()), Fault::Segment);
}

#[test]
fn a_segment_of_another_log_is_found() {
    let ((dir, segments), (_other, others)) = (log(), log());
    std::fs::copy(&others[1], &segments[1]).unwrap();
    let what = fault(dir.path());
    assert!(matches!(what, Fault::Segment | Fault::Gap { .. }), "{what}");
    let ((dir, segments), (_other, others)) = (log(), log());
    std::fs::copy(&others[0], &segments[0]).unwrap();
    let what = fault(dir.path());
    assert!(matches!(what, Fault::Segment | Fault::Gap { .. }), "{what}");
}

#[test]
fn a_head_that_is_gone_or_another_log_is_is_found() {
    let (dir, _) = log();
    let path = dir.path().join("head");
    let head: Head = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    std::fs::write(&path, "rubbish").unwrap();
    assert_eq!(fault(dir.path()), Fault::NoHead);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fault(dir.path()), Fault::NoHead);
    assert!(verify_against(dir.path(), head).unwrap().is_whole());
    let other = Head {
        hash: [1; 32],
        ..head
    };
    let report = verify_against(dir.path(), other).unwrap();
    assert_eq!(report.bad.unwrap().what, Fault::Head);
    let between = Head {
        position: head.position - 1,
        ..head
    };
    let report = verify_against(dir.path(), between).unwrap();
    assert_eq!(report.bad.unwrap().what, Fault::Head);
}

#[test]
fn a_log_that_is_written_can_be_judged() {
    let dir = tempdir().unwrap();
    let store = sample::small(dir.path());
    whole(&store);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| sample::several(&store, 300));
        while !writer.is_finished() {
            let report = verify(dir.path()).unwrap();
            assert!(report.is_whole(), "{report}");
        }
    });
}

#[test]
fn the_report_names_the_place_for_a_person() {
    let report = Report {
        segments: 1,
        frames: 2,
        sessions: 1,
        notes: 0,
        bytes: 300,
        dropped: 0,
        unfinished: 0,
        bad: Some(crate::Bad {
            file: PathBuf::from("state/0.log"),
            offset: 300,
            what: Broken::Chain.into(),
        }),
    };
    let text = report.to_string();
    assert!(
        text.starts_with("DAMAGED: state/0.log, byte 300: the hash chain breaks"),
        "{text}"
    );
    assert!(
        serde_json::to_string(&report)
            .unwrap()
            .contains("hash chain breaks")
    );
}
