//! Segments that go, and what stays true of the log.

use jiff::{SignedDuration, Timestamp};
use sluice_flow::ports::{Recorder as _, SessionFilter, Sessions as _};
use sluice_flow::{EventKind, SessionId};
use tempfile::tempdir;

use super::sample::{closed, opened, operation, shell_and_psql, small};
use crate::{Dropped, Fault, Note, Store, verify};

/// A session that is kept for so many seconds, or for good.
fn kept(store: &Store, keep: Option<u64>) -> SessionId {
    let mut log = store.session().unwrap();
    let mut first = opened("shop", &shell_and_psql(), Some("db.example.com"));
    if let EventKind::Opened(opened) = &mut first {
        opened.keep = keep;
    }
    log.append(vec![first]).unwrap();
    log.append(vec![operation("select 1"), closed()]).unwrap();
    log.id()
}

fn many(store: &Store, keep: Option<u64>) -> Vec<SessionId> {
    (0..40).map(|_| kept(store, keep)).collect()
}

fn ids(store: &Store) -> Vec<SessionId> {
    let all = store.list(&SessionFilter::default()).unwrap();
    all.into_iter().map(|session| session.id).collect()
}

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

#[test]
fn what_is_not_kept_any_longer_goes_in_whole_segments() {
    let dir = tempdir().unwrap();
    let store = small(dir.path());
    let old = many(&store, Some(60));
    let before = store.usage().unwrap();
    assert_eq!(
        store.drop_expired(in_seconds(30)).unwrap(),
        Dropped::default()
    );
    let dropped = store.drop_expired(in_seconds(90)).unwrap();
    assert!(dropped.segments > 2, "{dropped:?}");
    assert!(store.usage().unwrap().log < before.log);
    // What goes is not listed, and cannot be shown; the segment that is written stays.
    let left = ids(&store);
    assert!(left.len() < old.len() && old.ends_with(&left), "{left:?}");
    assert!(store.events(old[0]).unwrap().is_empty());
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.dropped, dropped.bytes);
    assert!(report.to_string().contains("record.keep"), "{report}");
}

#[test]
fn a_log_that_was_shortened_goes_on() {
    let dir = tempdir().unwrap();
    let store = small(dir.path());
    many(&store, Some(60));
    store.drop_expired(in_seconds(90)).unwrap();
    let left = ids(&store);
    drop(store);
    let store = small(dir.path());
    assert_eq!(
        ids(&store),
        left,
        "the index is that of the log that is left"
    );
    let new = many(&store, Some(60));
    store.rebuild_index().unwrap();
    assert!(ids(&store).ends_with(&new));
    // Of a session whose beginning went, what is left goes with its segment.
    let dropped = store.drop_expired(in_seconds(90)).unwrap();
    assert!(dropped.segments > 2, "{dropped:?}");
    let notes = store.notes(usize::MAX).unwrap();
    let told = notes
        .iter()
        .filter(|record| matches!(record.note, Note::Dropped { .. }));
    assert!(told.count() > 0, "they go too, but the newest stays");
    drop(store);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole(), "{report}");
}

#[test]
fn what_is_kept_for_good_or_still_open_holds_what_is_behind_it() {
    for open in [false, true] {
        let dir = tempdir().unwrap();
        let store = small(dir.path());
        let held = if open {
            let mut log = store.session().unwrap();
            let first = opened("shop", &shell_and_psql(), None);
            log.append(vec![first]).unwrap();
            Some(log)
        } else {
            kept(&store, None);
            None
        };
        many(&store, Some(60));
        let dropped = store.drop_expired(in_seconds(90)).unwrap();
        assert_eq!(dropped, Dropped::default(), "open: {open}");
        drop(held);
    }
}

#[test]
fn where_nothing_says_that_it_may_go_nothing_goes() {
    let dir = tempdir().unwrap();
    let store = small(dir.path());
    for count in 0..200 {
        store.note(Note::EventsLost { count }).unwrap();
    }
    assert!(store.usage().unwrap().segments > 2);
    assert_eq!(
        store.drop_expired(in_seconds(90)).unwrap(),
        Dropped::default()
    );
    // They go with what stands behind them.
    many(&store, Some(60));
    assert!(store.drop_expired(in_seconds(90)).unwrap().segments > 4);
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn a_beginning_that_somebody_else_took_is_a_gap() {
    let dir = tempdir().unwrap();
    let store = small(dir.path());
    many(&store, Some(60));
    store.drop_expired(in_seconds(90)).unwrap();
    many(&store, None);
    drop(store);
    assert!(verify(dir.path()).unwrap().is_whole());
    let mut segments: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    segments.sort();
    std::fs::remove_file(&segments[0]).unwrap();
    let bad = verify(dir.path()).unwrap().bad.unwrap();
    assert!(
        matches!(bad.what, Fault::Gap { from: 0, .. }),
        "{}",
        bad.what
    );
}

#[test]
fn a_damaged_segment_is_kept() {
    let dir = tempdir().unwrap();
    let store = small(dir.path());
    many(&store, Some(60));
    let oldest = dir.path().join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&oldest).unwrap();
    bytes[1_000] ^= 1;
    std::fs::write(&oldest, bytes).unwrap();
    assert_eq!(
        store.drop_expired(in_seconds(90)).unwrap(),
        Dropped::default()
    );
    assert!(oldest.exists());
}
