//! A process that is killed loses nothing of what it was told is written.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use sluice_flow::SessionId;
use sluice_flow::ports::{SessionFilter, Sessions as _};
use sluice_flow::session::Outcome;
use tempfile::tempdir;
use uuid::Uuid;

use super::sample::{self, operation, start};
use crate::verify;

const DIR: &str = "SLUICE_STORE_TEST_DIR";
const ROUNDS: usize = 30;

/// The process that is killed. It tells on stderr what it was told is written.
#[test]
#[ignore = "started by the test below"]
fn child_that_appends() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let store = sample::small(dir.as_ref());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let mut log = start(&store);
                    for _ in 0..7 {
                        let seq = log.append(vec![operation("select 1")]).unwrap();
                        eprintln!("ack {} {seq}", log.id());
                    }
                    log.append(vec![sample::closed()]).unwrap();
                    eprintln!("ack {} 10", log.id());
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempdir().unwrap();
    let mut acked: HashMap<SessionId, u64> = HashMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tests::crash::child_that_appends",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut left = 5 + round * 17 % 90;
        for line in lines.map_while(Result::ok) {
            let Some(rest) = line.strip_prefix("ack ") else {
                continue;
            };
            // The last line may be cut: then nobody was told.
            if let Some((id, seq)) = rest.split_once(' ')
                && let (Ok(id), Ok(seq)) = (id.parse::<Uuid>(), seq.parse())
            {
                acked.insert(SessionId(id), seq);
            }
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let report = verify(dir.path()).unwrap();
        assert!(report.is_whole(), "{report}");
        check(dir.path(), &acked);
    }
    assert!(acked.len() > ROUNDS);
}

fn check(dir: &std::path::Path, acked: &HashMap<SessionId, u64>) {
    let store = sample::small(dir);
    for (id, seq) in acked {
        let events = store.events(*id).unwrap();
        assert!(
            events.iter().any(|event| event.seq == *seq),
            "{id} has no event {seq}"
        );
    }
    for session in store.list(&SessionFilter::default()).unwrap() {
        let closed = acked.get(&session.id).is_some_and(|seq| *seq == 10);
        let outcomes: &[Outcome] = if closed {
            &[Outcome::Closed]
        } else {
            &[Outcome::Closed, Outcome::Aborted]
        };
        assert!(outcomes.contains(&session.outcome.unwrap()), "{session:?}");
    }
    drop(store);
    let report = verify(dir).unwrap();
    assert!(report.is_whole(), "{report}");
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let dir = tempdir().unwrap();
    let store = sample::store(dir.path());
    let first = sample::whole(&store);
    let synced = store.usage().unwrap().log;
    drop(store);
    let head = std::fs::read(dir.path().join("head")).unwrap();
    let store = sample::store(dir.path());
    let second = start(&store).id();
    drop(store);
    let log = crate::segment::path(dir.path(), 0);
    let bytes = std::fs::read(&log).unwrap();
    for cut in usize::try_from(synced).unwrap()..bytes.len() {
        std::fs::write(&log, &bytes[..cut]).unwrap();
        std::fs::write(dir.path().join("head"), &head).unwrap();
        let found = crate::recovery::find_end(dir.path(), &crate::FileSystem);
        let (end, recovered) = found.unwrap();
        assert!(
            end.position() <= cut as u64 && recovered.damage.is_none(),
            "cut at {cut}"
        );
        assert_eq!(recovered.torn, cut as u64 - end.position());
        assert!(verify(dir.path()).unwrap().is_whole(), "cut at {cut}");
        // The rest takes too long for every cut.
        if cut % 101 != 0 {
            continue;
        }
        std::fs::remove_dir_all(dir.path().join("index")).unwrap();
        let store = sample::store(dir.path());
        assert_eq!(store.events(first).unwrap().len(), 4, "cut at {cut}");
        let found = store.events(second).unwrap();
        let aborted = store.list(&SessionFilter::default()).unwrap();
        assert!(aborted.iter().all(|session| session.outcome.is_some()));
        assert!(found.len() <= 4);
        drop(store);
        assert!(verify(dir.path()).unwrap().is_whole(), "cut at {cut}");
    }
}

#[test]
fn zeros_that_a_power_loss_left_are_cut() {
    let dir = tempdir().unwrap();
    let store = sample::store(dir.path());
    let id = sample::whole(&store);
    drop(store);
    let log = crate::segment::path(dir.path(), 0);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.resize(bytes.len() + 600_000, 0);
    std::fs::write(&log, bytes).unwrap();
    assert_eq!(verify(dir.path()).unwrap().unfinished, 600_000);
    let store = sample::store(dir.path());
    assert_eq!(store.events(id).unwrap().len(), 4);
    assert!(
        store
            .counters()
            .contains(&("log_torn_bytes_cut".to_owned(), 600_000))
    );
    drop(store);
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn a_segment_that_was_being_made_is_made_again() {
    let dir = tempdir().unwrap();
    let store = sample::store(dir.path());
    let id = sample::whole(&store);
    let end = store.head().position;
    drop(store);
    for len in [0, 1, crate::frame::SEGMENT_HEADER - 1] {
        std::fs::write(crate::segment::path(dir.path(), end), vec![7; len]).unwrap();
        let store = sample::store(dir.path());
        assert_eq!(store.events(id).unwrap().len(), 4);
        assert_eq!(store.usage().unwrap().segments, 1);
    }
    assert!(verify(dir.path()).unwrap().is_whole());
}
