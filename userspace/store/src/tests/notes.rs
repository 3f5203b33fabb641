//! Notes of the daemon.

use jiff::Timestamp;
use sluice_flow::JobId;
use sluice_flow::kernel::KernelRefusal;
use tempfile::tempdir;

use super::sample::{self, store, whole};
use crate::{Note, PolicyInForce, Store, verify};

fn in_force(job: Option<JobId>, layer: &str, digest: &str) -> Note {
    Note::InForce {
        job,
        policies: vec![PolicyInForce {
            layer: layer.to_owned(),
            file: "f.yaml".to_owned(),
            digest: digest.to_owned(),
        }],
    }
}

fn policy(name: &str, digest: &str, text: &str) -> Note {
    Note::Policy {
        name: name.to_owned(),
        digest: digest.to_owned(),
        text: text.to_owned(),
    }
}

fn one_of_each() -> Vec<Note> {
    vec![
        Note::Started {
            version: "0.1.0".to_owned(),
            pid: 7,
        },
        policy("shop", "aa", "rules: []"),
        in_force(None, "host", "aa"),
        Note::KernelRefused {
            job: None,
            refusal: KernelRefusal {
                hook: "sock_create".to_owned(),
                reason: "socket_kind".to_owned(),
                socket: "inet/raw/icmp".to_owned(),
                destination: None,
            },
            count: 2,
        },
        Note::EventsLost { count: 9 },
        Note::NotEnforced {
            detail: "a connection of others stays".to_owned(),
        },
        Note::Status {
            open: false,
            detail: "the probe did not come back".to_owned(),
        },
        Note::Damaged {
            detail: "x".to_owned(),
        },
        Note::Stopped {
            reason: "SIGTERM".to_owned(),
        },
    ]
}

#[test]
fn notes_are_read_back_in_order_between_sessions_and_after_a_restart() {
    let dir = tempdir().unwrap();
    let first = sample::small(dir.path());
    for note in one_of_each() {
        first.note(note).unwrap();
        whole(&first);
    }
    drop(first);
    let store = sample::small(dir.path());
    store.note(Note::EventsLost { count: 1 }).unwrap();
    let expected = [one_of_each(), vec![Note::EventsLost { count: 1 }]].concat();
    let plain = |records: Vec<crate::NoteRecord>| -> Vec<Note> {
        records.into_iter().map(|record| record.note).collect()
    };
    assert_eq!(plain(store.notes(usize::MAX).unwrap()), expected);
    assert_eq!(plain(store.notes(2).unwrap()), expected[8..]);
    let reader = Store::open_read(dir.path()).unwrap();
    assert_eq!(plain(reader.notes(3).unwrap()), expected[7..]);
    drop(store);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.notes, 10);
}

#[test]
fn a_policy_is_found_by_its_digest() {
    let dir = tempdir().unwrap();
    let first = store(dir.path());
    first.note(policy("shop", "aa", "one")).unwrap();
    first.note(policy("shop", "bb", "two")).unwrap();
    let text = |store: &Store, digest: &str| store.policy_text(digest).unwrap();
    assert_eq!(text(&first, "aa").as_deref(), Some("one"));
    drop(first);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let second = store(dir.path());
    assert_eq!(text(&second, "bb").as_deref(), Some("two"));
    assert_eq!(text(&second, "cc"), None);
    let reader = Store::open_read(dir.path()).unwrap();
    assert_eq!(reader.policy_text("aa").unwrap().as_deref(), Some("one"));
}

#[test]
fn what_was_in_force_is_told_for_each_job_and_moment() {
    let dir = tempdir().unwrap();
    let log = store(dir.path());
    let (job, other) = (JobId::new(), JobId::new());
    let mut after = Vec::new();
    for note in [
        in_force(None, "host", "h1"),
        in_force(Some(job), "repository", "own"),
        in_force(Some(other), "repository", "other"),
        in_force(None, "host", "h2"),
    ] {
        log.note(note).unwrap();
        after.push(log.notes(1).unwrap()[0].at);
    }
    let digests = |job, at| {
        let known = log.policies_at(job, at).unwrap();
        let read = Store::open_read(dir.path()).unwrap().policies_at(job, at);
        assert_eq!(read.unwrap(), known, "the same without the index");
        known.map(|known| known.into_iter().map(|p| p.digest).collect::<Vec<_>>())
    };
    let strings = |of: [&str; 2]| Some(of.map(str::to_owned).to_vec());
    assert_eq!(digests(job, after[3]), strings(["h2", "own"]));
    assert_eq!(digests(job, after[2]), strings(["h1", "own"]));
    assert_eq!(digests(other, after[2]), strings(["h1", "other"]));
    assert_eq!(digests(job, after[0]), None, "it was not there yet");
    assert_eq!(digests(JobId::new(), Timestamp::MAX), None);
}

#[test]
fn without_a_log_there_is_nothing_to_read() {
    let dir = tempdir().unwrap();
    let error = Store::open_read(dir.path()).unwrap_err().to_string();
    assert!(error.contains("find a session log"), "{error}");
    assert!(Store::open_read(&dir.path().join("nowhere")).is_err());
    assert!(verify(dir.path()).is_err());
}
