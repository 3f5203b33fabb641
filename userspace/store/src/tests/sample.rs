//! Sessions as a gate would record them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sluice_flow::exec::ProcessId;
use sluice_flow::ports::{Recorder as _, SessionLog};
use sluice_flow::session::{OperationRecord, Outcome};
use sluice_flow::{
    Decision, Destination, EventKind, Exec, ExecId, How, Job, JobId, Lineage, RuleRef, SessionId,
    SessionOpened, Verdict,
};
use uuid::Uuid;

use crate::{Options, Store};

pub(crate) fn store(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

/// Many small segments.
pub(crate) fn small(dir: &Path) -> Store {
    let options = Options {
        segment_bytes: 4096,
        ..Options::default()
    };
    Store::open(dir, options).unwrap()
}

pub(crate) fn exec_id(tgid: u32) -> ExecId {
    ExecId {
        boot: Uuid::from_u128(7),
        process: ProcessId {
            tgid,
            started: u64::from(tgid) * 1000,
        },
        ordinal: 1,
    }
}

pub(crate) fn exec(tgid: u32, exe: &str) -> Arc<Exec> {
    Arc::new(Exec {
        id: exec_id(tgid),
        pid: tgid,
        exe: exe.to_owned(),
        argv: vec![exe.to_owned(), "-c".to_owned()],
        argv_state: sluice_flow::ArgvState::Whole,
        cwd: "/builds/shop".to_owned(),
        uid: 1000,
        cgroup: 4711,
        started: Timestamp::UNIX_EPOCH,
        how: How::Exec,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    })
}

pub(crate) fn job(name: &str) -> Job {
    Job {
        id: JobId(Uuid::from_u128(name.len() as u128)),
        name: name.to_owned(),
        labels: [("branch".to_owned(), "main".to_owned())]
            .into_iter()
            .collect(),
        uid: 1000,
    }
}

pub(crate) fn opened(job_name: &str, execs: &[Arc<Exec>], host: Option<&str>) -> EventKind {
    EventKind::Opened(Box::new(SessionOpened {
        job: Some(job(job_name)),
        destination: Some(Destination {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
            port: 5432,
            host: host.map(ToOwned::to_owned),
        }),
        peer: SocketAddr::from(([127, 0, 0, 1], 40000)),
        lineage: Lineage {
            execs: execs.to_vec(),
            complete: true,
        },
        keep: None,
    }))
}

pub(crate) fn shell_and_psql() -> Vec<Arc<Exec>> {
    vec![exec(100, "/bin/bash"), exec(101, "/usr/bin/psql")]
}

pub(crate) fn operation(statement: &str) -> EventKind {
    EventKind::Operation(Box::new(OperationRecord {
        protocol: "postgres".to_owned(),
        digest: "00".repeat(32),
        statement: Some(statement.to_owned()),
        tables: Some(vec!["public.orders".to_owned()]),
        ..OperationRecord::default()
    }))
}

pub(crate) fn verdict(operation: u64, decision: Decision) -> EventKind {
    EventKind::Verdict {
        operation,
        status: None,
        verdict: decision.word().to_owned(),
        because: Box::new(Verdict {
            decision,
            would_be: None,
            rules: vec![RuleRef {
                policy: "shop".to_owned(),
                rule: "read-orders".to_owned(),
            }],
            digest: "11".repeat(32),
            layer: "host".to_owned(),
            expected: false,
            sync: false,
            payload: sluice_flow::verdict::Payload::Statements,
            message: String::new(),
        }),
    }
}

pub(crate) fn answered(operation: u64) -> EventKind {
    EventKind::Answered {
        operation,
        status: None,
        tag: Some("SELECT 3".to_owned()),
        rows: Some(3),
    }
}

pub(crate) fn closed() -> EventKind {
    EventKind::Closed {
        outcome: Outcome::Closed,
        bytes_up: 100,
        bytes_down: 2000,
    }
}

/// A session that is open: one statement was asked for and let through.
pub(crate) fn start(store: &Store) -> Box<dyn SessionLog> {
    let mut log = store.session().unwrap();
    let first = opened("shop", &shell_and_psql(), Some("db.example.com"));
    assert_eq!(log.append(vec![first]).unwrap(), 0);
    let asked = vec![
        operation("select * from orders"),
        verdict(1, Decision::Allow),
    ];
    assert_eq!(log.append(asked).unwrap(), 1);
    log
}

/// A session from its first event to its last.
pub(crate) fn whole(store: &Store) -> SessionId {
    let mut log = start(store);
    log.append(vec![answered(1), closed()]).unwrap();
    log.id()
}

/// So many of them.
pub(crate) fn several(store: &Store, count: usize) {
    for _ in 0..count {
        whole(store);
    }
}
