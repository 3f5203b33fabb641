use super::*;
use crate::kernel::JobTag;
use uuid::Uuid;

const JOB: JobTag = JobTag(1);

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
        job: JOB,
    }
}

fn table() -> LineageTable {
    LineageTable::new(Uuid::from_u128(1), Timestamp::UNIX_EPOCH)
}

fn exec(table: &mut LineageTable, actor: Actor, exe: &str, root: bool) {
    let started = Started {
        actor,
        exe: exe.to_owned(),
        argv: vec![exe.to_owned()],
        argv_state: ArgvState::Whole,
        cwd: "/".to_owned(),
        uid: 1000,
        cgroup: 5,
        root,
        found: false,
        image: None,
        at: 1,
    };
    table.apply(&KernelEvent::Started(Box::new(started)));
}

fn fork(table: &mut LineageTable, parent: Actor, child: u32) {
    table.apply(&KernelEvent::Forked {
        parent,
        child: process(child),
        at: 2,
    });
}

fn told(lineage: &Lineage) -> Vec<(u32, &str, How)> {
    lineage
        .execs
        .iter()
        .map(|e| (e.pid, e.exe.as_str(), e.how))
        .collect()
}

#[test]
fn fork_and_exec_is_one_link() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/ci/job.sh", true);
    fork(&mut t, actor(1, 1), 2);
    exec(&mut t, actor(2, 1), "/usr/bin/psql", false);
    let lineage = t.lineage(process(2), 1).unwrap();
    assert_eq!(
        told(&lineage),
        [
            (1, "/ci/job.sh", How::Root),
            (2, "/usr/bin/psql", How::Exec)
        ]
    );
    assert!(lineage.complete);
}

#[test]
fn a_fork_without_exec_inherits_the_image() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/usr/bin/python3", true);
    fork(&mut t, actor(1, 1), 2);
    fork(&mut t, actor(2, 0), 3);
    let lineage = t.lineage(process(3), 0).unwrap();
    let python = "/usr/bin/python3";
    let want = [
        (1, python, How::Root),
        (2, python, How::Fork),
        (3, python, How::Fork),
    ];
    assert_eq!(told(&lineage), want);
    assert!(lineage.complete);
}

#[test]
fn a_process_that_executes_twice_stands_twice() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/ci/job.sh", true);
    fork(&mut t, actor(1, 1), 2);
    exec(&mut t, actor(2, 1), "/ci/deploy.sh", false);
    exec(&mut t, actor(2, 2), "/usr/bin/bash", false);
    let lineage = t.lineage(process(2), 2).unwrap();
    let exes: Vec<&str> = lineage.execs.iter().map(|e| e.exe.as_str()).collect();
    assert_eq!(exes, ["/ci/job.sh", "/ci/deploy.sh", "/usr/bin/bash"]);
    assert_eq!(
        lineage.step().map(|e| e.exe.as_str()),
        Some("/ci/deploy.sh")
    );
}

#[test]
fn the_image_is_that_of_the_ordinal_and_not_the_newest() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/first", true);
    exec(&mut t, actor(1, 2), "/second", false);
    assert_eq!(
        t.lineage(process(1), 1)
            .unwrap()
            .leaf()
            .map(|e| e.exe.as_str()),
        Some("/first")
    );
    assert_eq!(t.lineage(process(1), 3), None);
}

#[test]
fn a_missed_fork_or_exec_makes_the_lineage_incomplete() {
    let mut t = table();
    exec(&mut t, actor(9, 1), "/orphan", false);
    assert!(!t.lineage(process(9), 1).unwrap().complete);
    exec(&mut t, actor(1, 1), "/root", true);
    exec(&mut t, actor(1, 3), "/third", false);
    assert!(
        !t.lineage(process(1), 3).unwrap().complete,
        "the second exec was not seen"
    );
}

#[test]
fn an_unknown_parent_gives_no_lineage() {
    let mut t = table();
    fork(&mut t, actor(1, 1), 2);
    assert_eq!(t.lineage(process(2), 0), None);
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/root", true);
    fork(&mut t, actor(1, 1), 2);
    t.apply(&KernelEvent::Exited {
        actor: actor(2, 0),
        at: 5,
    });
    let reused = ProcessId {
        tgid: 2,
        started: 999,
    };
    assert!(
        t.lineage(process(2), 0).is_some(),
        "kept for the grace period"
    );
    assert_eq!(t.lineage(reused, 0), None);
}

#[test]
fn an_exited_process_is_forgotten_after_the_grace_period_but_its_children_keep_the_chain() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/root", true);
    fork(&mut t, actor(1, 1), 2);
    fork(&mut t, actor(2, 0), 3);
    t.apply(&KernelEvent::Exited {
        actor: actor(2, 0),
        at: 50,
    });
    t.forget_exited(50);
    assert!(t.lineage(process(2), 0).is_some());
    t.forget_exited(51);
    assert_eq!(t.lineage(process(2), 0), None);
    let pids: Vec<u32> = t
        .lineage(process(3), 0)
        .unwrap()
        .execs
        .iter()
        .map(|e| e.pid)
        .collect();
    assert_eq!(pids, [1, 2, 3]);
}

#[test]
fn the_depth_is_bounded_and_one_more_is_incomplete() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/root", true);
    let mut parent = actor(1, 1);
    for tgid in 2..=u32::try_from(MAX_DEPTH).unwrap() {
        fork(&mut t, parent, tgid);
        parent = actor(tgid, 0);
    }
    let at_limit = t.lineage(parent.process, 0).unwrap();
    assert!(at_limit.complete);
    assert_eq!(at_limit.execs.len(), MAX_DEPTH);
    fork(&mut t, parent, 9999);
    let over = t.lineage(process(9999), 0).unwrap();
    assert!(!over.complete);
    assert_eq!(over.execs.len(), MAX_DEPTH);
    assert_eq!(over.root().map(|e| e.exe.as_str()), Some("/root"));
}

#[test]
fn an_endless_exec_loop_is_bounded() {
    let mut t = table();
    exec(&mut t, actor(1, 1), "/root", true);
    for ordinal in 2..2000 {
        exec(&mut t, actor(1, ordinal), "/again", false);
    }
    let lineage = t.lineage(process(1), 1999).unwrap();
    assert_eq!(lineage.execs.len(), MAX_DEPTH);
    assert!(!lineage.complete);
}

#[test]
fn what_was_found_running_is_never_complete() {
    let mut t = table();
    let started = Started {
        actor: actor(1, 1),
        exe: "/usr/bin/runner".to_owned(),
        argv: Vec::new(),
        argv_state: ArgvState::Whole,
        cwd: "/".to_owned(),
        uid: 0,
        cgroup: 1,
        root: true,
        found: true,
        image: None,
        at: 0,
    };
    t.apply(&KernelEvent::Started(Box::new(started)));
    fork(&mut t, actor(1, 1), 2);
    let lineage = t.lineage(process(2), 0).unwrap();
    assert_eq!(lineage.execs.first().map(|e| e.how), Some(How::Found));
    assert!(!lineage.complete);
}

#[test]
fn lost_events_are_counted() {
    let mut t = table();
    t.apply(&KernelEvent::Lost(3));
    t.apply(&KernelEvent::Lost(4));
    assert_eq!(t.lost(), 7);
}
