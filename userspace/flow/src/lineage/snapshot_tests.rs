use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::super::{LineageTable, MAX_DEPTH};
use super::*;
use crate::exec::{ArgvState, How};
use crate::image::ImageFile;
use crate::kernel::{Actor, JobTag, KernelEvent, Started};

const BOOT: Uuid = Uuid::from_u128(1);

fn process(tgid: u32) -> ProcessId {
    ProcessId {
        tgid,
        started: u64::from(tgid) * 10,
    }
}

fn actor(tgid: u32, ordinal: u32) -> Actor {
    Actor {
        process: process(tgid),
        ordinal,
        job: JobTag(1),
    }
}

fn started(actor: Actor, exe: &str) -> KernelEvent {
    KernelEvent::Started(Box::new(Started {
        actor,
        exe: exe.to_owned(),
        argv: vec![exe.to_owned()],
        argv_state: ArgvState::Whole,
        cwd: "/".to_owned(),
        uid: 1000,
        cgroup: 5,
        root: actor.process.tgid == 1 && actor.ordinal == 1,
        found: false,
        image: Some(image(actor)),
        at: 1,
    }))
}

/// A file of its own for each image.
fn image(actor: Actor) -> ImageFile {
    ImageFile {
        device: (8, 1),
        inode: u64::from(actor.process.tgid) * 100 + u64::from(actor.ordinal),
        changed: (1, 2),
        executed: 1,
        granularity: 1,
        file_system: 0xef53,
        of_user_namespace: false,
    }
}

fn forked(parent: Actor, child: u32) -> KernelEvent {
    let child = process(child);
    KernelEvent::Forked {
        parent,
        child,
        at: 2,
    }
}

fn exited(actor: Actor, at: u64) -> KernelEvent {
    KernelEvent::Exited { actor, at }
}

fn table(events: &[KernelEvent]) -> LineageTable {
    let mut table = LineageTable::new(BOOT, Timestamp::UNIX_EPOCH);
    events.iter().for_each(|event| table.apply(event));
    table
}

/// A root with a step that executed twice, a fork of it, and one that ended.
fn sample() -> LineageTable {
    table(&[
        started(actor(1, 1), "/ci/job.sh"),
        forked(actor(1, 1), 2),
        started(actor(2, 1), "/bin/sh"),
        started(actor(2, 2), "/usr/bin/psql"),
        forked(actor(2, 2), 3),
        forked(actor(1, 1), 4),
        exited(actor(4, 0), 7),
    ])
}

/// Through JSON, as it is kept.
fn again(table: &LineageTable) -> LineageTable {
    let text = serde_json::to_string(&table.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    LineageTable::restored(snapshot, BOOT, Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn a_restored_table_tells_the_same() {
    let (before, after) = (sample(), again(&sample()));
    for (tgid, ordinal) in [(1, 1), (2, 0), (2, 1), (2, 2), (3, 0), (4, 0), (9, 0)] {
        let asked = (process(tgid), ordinal);
        assert_eq!(
            before.lineage(asked.0, asked.1),
            after.lineage(asked.0, asked.1),
            "{asked:?}"
        );
    }
    assert!(after.lineage(process(3), 0).unwrap().complete);
    assert!(after.lives(3) && !after.lives(4));
}

#[test]
fn what_happens_after_goes_on_where_it_was() {
    let mut after = again(&sample());
    after.apply(&forked(actor(3, 0), 5));
    after.apply(&started(actor(5, 1), "/usr/bin/curl"));
    let lineage = after.lineage(process(5), 1).unwrap();
    let exes: Vec<&str> = lineage.execs.iter().map(|e| e.exe.as_str()).collect();
    assert_eq!(
        exes,
        [
            "/ci/job.sh",
            "/bin/sh",
            "/usr/bin/psql",
            "/usr/bin/psql",
            "/usr/bin/curl"
        ]
    );
    assert!(lineage.complete);
}

#[test]
fn links_are_written_once_however_many_hang_on_them() {
    let mut events = vec![started(actor(1, 1), "/ci/job.sh")];
    events.extend((2..50).map(|child| forked(actor(1, 1), child)));
    assert_eq!(table(&events).snapshot().links.len(), 49);
}

#[test]
fn the_longest_chain_stays_as_long_as_it_is() {
    let mut events = vec![started(actor(1, 1), "/ci/job.sh")];
    let last = u32::try_from(MAX_DEPTH).unwrap() + 2;
    events
        .extend((1..last).map(|parent| forked(actor(parent, u32::from(parent == 1)), parent + 1)));
    let (before, after) = (table(&events), again(&table(&events)));
    for tgid in [2, last - 2, last - 1, last] {
        let lineage = after.lineage(process(tgid), 0).unwrap();
        assert_eq!(Some(&lineage), before.lineage(process(tgid), 0).as_ref());
        assert_eq!(
            lineage.complete,
            lineage.execs.len() < MAX_DEPTH || tgid < last - 1
        );
    }
}

#[test]
fn another_boot_and_broken_places_are_no_table() {
    let snapshot = sample().snapshot();
    let other = Uuid::from_u128(2);
    assert!(LineageTable::restored(snapshot.clone(), other, Timestamp::UNIX_EPOCH).is_none());
    let mut forward = snapshot.clone();
    forward.links[0].parent = Some(0);
    assert!(LineageTable::restored(forward, BOOT, Timestamp::UNIX_EPOCH).is_none());
    let mut outside = snapshot;
    outside.processes[0].images = vec![1_000];
    assert!(LineageTable::restored(outside, BOOT, Timestamp::UNIX_EPOCH).is_none());
}

#[test]
fn who_does_not_live_any_more_has_ended() {
    let mut table = sample();
    table.only_live(&HashSet::from([process(1), process(2)]), 100);
    assert!(table.lives(1) && table.lives(2) && !table.lives(3));
    table.forget_exited(100);
    assert!(table.knows(process(3), 0), "remembered for the grace");
    assert!(!table.knows(process(4), 0), "its end was seen long ago");
}

#[test]
fn what_the_kernel_tells_takes_the_place_of_what_was_found() {
    let found = |actor| match started(actor, "/proc/says") {
        KernelEvent::Started(mut image) => {
            image.found = true;
            KernelEvent::Started(image)
        }
        other => other,
    };
    let mut table = table(&[
        started(actor(1, 1), "/ci/job.sh"),
        found(actor(2, 0)),
        found(actor(3, 1)),
    ]);
    table.apply(&forked(actor(1, 1), 2));
    let told = table.lineage(process(2), 0).unwrap();
    assert!(told.complete && told.execs.len() == 2, "{told:?}");
    table.apply(&started(actor(3, 1), "/bin/sh"));
    let told = table.lineage(process(3), 1).unwrap();
    assert_eq!(told.execs.len(), 1);
    assert_eq!((told.execs[0].how, told.complete), (How::Exec, false));
}

#[test]
fn a_table_that_was_written_down_before_files_were_told_is_read() {
    let mut kept = serde_json::to_value(sample().snapshot()).unwrap();
    for link in kept["links"].as_array_mut().unwrap() {
        let exec = link["exec"].as_object_mut().unwrap();
        assert!(exec.remove("image").is_some());
    }
    let snapshot = serde_json::from_value(kept).unwrap();
    let table = LineageTable::restored(snapshot, BOOT, Timestamp::UNIX_EPOCH).unwrap();
    let lineage = table.lineage(process(3), 0).unwrap();
    assert!(lineage.execs.iter().all(|exec| exec.image.is_none()));
    assert!(lineage.complete);
}

#[test]
fn a_fork_has_the_file_of_its_parents_image() {
    let table = sample();
    let leaf = |tgid, ordinal| table.lineage(process(tgid), ordinal).unwrap();
    let (parent, fork) = (leaf(2, 2), leaf(3, 0));
    assert_eq!(parent.leaf().unwrap().image, Some(image(actor(2, 2))));
    assert_eq!(fork.leaf().unwrap().image, Some(image(actor(2, 2))));
}
