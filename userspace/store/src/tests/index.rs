//! The index finds what the log has, whatever happens to the index.

use std::path::Path;

use sluice_flow::ports::{Recorder as _, SessionFilter, Sessions as _};
use sluice_flow::{SessionId, SessionSummary};
use tempfile::tempdir;

use super::sample::{self, closed, exec, exec_id, opened, start, store, whole};
use crate::Store;

fn all(store: &Store) -> Vec<SessionSummary> {
    store.list(&SessionFilter::default()).unwrap()
}

fn counter(store: &Store, name: &str) -> u64 {
    let found = store
        .counters()
        .into_iter()
        .find(|(counter, _)| counter == name);
    found.unwrap().1
}

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn an_index_that_is_gone_is_made_anew() {
    let dir = tempdir().unwrap();
    let first = store(dir.path());
    sample::several(&first, 5);
    let before = all(&first);
    drop(first);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    assert_eq!(all(&store(dir.path())), before);
}

#[test]
fn an_index_that_is_rubbish_is_moved_aside() {
    for rubbish in [&b""[..], b"rubbish", &[0xff; 100_000]] {
        let dir = tempdir().unwrap();
        let first = store(dir.path());
        sample::several(&first, 5);
        let before = all(&first);
        drop(first);
        for file in files_below(&dir.path().join("index")) {
            std::fs::write(file, rubbish).unwrap();
        }
        assert_eq!(all(&store(dir.path())), before);
    }
}

#[test]
fn an_index_with_changed_bytes_never_keeps_the_log_from_opening() {
    let dir = tempdir().unwrap();
    let first = store(dir.path());
    sample::several(&first, 5);
    let before = all(&first);
    drop(first);
    let db = dir.path().join("index/db");
    let good = std::fs::read(&db).unwrap();
    let used = good.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..used).step_by(used / 12) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&db, bytes).unwrap();
        assert_eq!(all(&store(dir.path())), before, "byte {at}");
        drop(std::fs::remove_dir_all(dir.path().join("index")));
        drop(store(dir.path()));
    }
}

#[test]
fn an_index_of_another_log_is_moved_aside() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    for dir in [&dir, &other] {
        let store = store(dir.path());
        whole(&store);
    }
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    std::fs::rename(other.path().join("index"), dir.path().join("index")).unwrap();
    let store = store(dir.path());
    assert_eq!(all(&store).len(), 1);
    assert_eq!(store.events(all(&store)[0].id).unwrap().len(), 4);
    assert_eq!(counter(&store, "index_rebuilt"), 1);
}

#[test]
fn an_index_that_is_behind_catches_up() {
    let dir = tempdir().unwrap();
    drop(store(dir.path()));
    let saved = tempdir().unwrap();
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp")
            .arg("-r")
            .arg(from)
            .arg(to)
            .status();
        assert!(done.unwrap().success());
    };
    let first = store(dir.path());
    whole(&first);
    drop(first);
    copy(&dir.path().join("index"), &saved.path().join("index"));
    let second = store(dir.path());
    sample::several(&second, 4);
    let before = all(&second);
    drop(second);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&saved.path().join("index"), &dir.path().join("index"));
    let third = store(dir.path());
    assert_eq!(all(&third), before);
    assert_eq!(counter(&third, "index_rebuilt"), 0);
}

#[test]
fn rebuilding_while_sessions_are_open_finds_all_of_them() {
    let dir = tempdir().unwrap();
    let store = sample::small(dir.path());
    let closed_before: Vec<SessionId> = (0..10).map(|_| whole(&store)).collect();
    let mut open = start(&store);
    let rebuilt = store.rebuild_index().unwrap();
    assert!(
        rebuilt.sessions <= 10 && rebuilt.records == 53,
        "{rebuilt:?}"
    );
    open.append(vec![closed()]).unwrap();
    let ids: Vec<_> = all(&store).into_iter().map(|session| session.id).collect();
    assert_eq!(ids, [closed_before, vec![open.id()]].concat());
}

#[test]
fn sessions_of_an_exec_are_those_of_its_descendants_too() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let session = |chain: &[(u32, &str)]| {
        let execs: Vec<_> = chain.iter().map(|(pid, exe)| exec(*pid, exe)).collect();
        let mut log = store.session().unwrap();
        log.append(vec![opened("shop", &execs, None), closed()])
            .unwrap();
        log.id()
    };
    let a = session(&[(1, "/bin/bash"), (2, "/usr/bin/psql")]);
    let b = session(&[(1, "/bin/bash"), (3, "/bin/sh"), (4, "/usr/bin/curl")]);
    let c = session(&[(9, "/bin/bash")]);
    let of = |store: &Store, tgid| {
        let found = store.sessions_of_exec(&exec_id(tgid)).unwrap();
        found
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    for _unindexed_then_indexed in 0..2 {
        assert_eq!(of(&store, 1), [a, b]);
        assert_eq!(of(&store, 3), [b]);
        assert_eq!(of(&store, 4), [b]);
        assert_eq!(of(&store, 9), [c]);
        assert_eq!(of(&store, 77), []);
        store.rebuild_index().unwrap();
    }
    let reader = Store::open_read(dir.path()).unwrap();
    assert_eq!(reader.sessions_of_exec(&exec_id(3)).unwrap().len(), 1);
}

#[test]
fn more_sessions_than_may_wait_are_taken_in_at_once() {
    let dir = tempdir().unwrap();
    let store = store(dir.path());
    let most = crate::indexing::MOST_WAITING;
    for _ in 0..=most {
        let mut log = store.session().unwrap();
        log.append(vec![closed()]).unwrap();
    }
    assert_eq!(all(&store).len(), most + 1);
    // Another thread takes them in; on a busy machine it is given its time.
    let waiting = || counter(&store, "log_sessions_not_indexed");
    let begun = std::time::Instant::now();
    while waiting() > most as u64 && begun.elapsed() < std::time::Duration::from_secs(30) {
        std::thread::yield_now();
    }
    assert!(waiting() <= most as u64);
}
