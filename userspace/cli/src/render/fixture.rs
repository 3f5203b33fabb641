//! Records that tests are written around.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sluice_flow::exec::ExecId;
use sluice_flow::gate::Direction;
use sluice_flow::ports::{Enforcement, Held, Status};
use sluice_flow::session::{ApprovalState, MaskHit, OperationRecord, Outcome};
use sluice_flow::verdict::{Payload, Remember, Verdict};
use sluice_flow::{
    ApprovalTerms, ArgvState, Cause, Decision, Destination, Effect, Event, EventKind, Exec, How,
    Job, JobId, Lineage, ProcessId, Refusal, RuleRef, SessionId, SessionOpened,
};
use uuid::Uuid;

pub(crate) fn id(end: u128) -> Uuid {
    Uuid::from_u128(0x0193_a6b2_7c1e_7d3f_8a4b_0000_0000_0000 + end)
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_179_912_000 + ms).unwrap()
}

fn exec(pid: u32, exe: &str, argv: &[&str], how: How) -> Arc<Exec> {
    Arc::new(Exec {
        id: ExecId {
            boot: Uuid::from_u128(0xb007),
            process: ProcessId {
                tgid: pid,
                started: u64::from(pid),
            },
            ordinal: 1,
        },
        pid,
        exe: exe.to_owned(),
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        argv_state: ArgvState::Whole,
        cwd: "/builds/acme".to_owned(),
        uid: 1000,
        cgroup: 7,
        started: at(-i64::from(5000 - pid)),
        how,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    })
}

pub(crate) fn lineage(leaf: Arc<Exec>) -> Lineage {
    let root = exec(4100, "/usr/bin/bash", &["bash", "deploy.sh"], How::Root);
    let step = exec(
        4101,
        "/builds/acme/migrate.sh",
        &["./migrate.sh", "--all"],
        How::Exec,
    );
    Lineage {
        execs: vec![root, step, leaf],
        complete: true,
    }
}

pub(crate) fn psql() -> Arc<Exec> {
    let argv = &["psql", "-h", "db.example.com", "-f", "schema changes.sql"];
    exec(4102, "/usr/bin/psql", argv, How::Exec)
}

pub(crate) fn curl() -> Arc<Exec> {
    let hostile = "http://api.example.com/\u{1b}[2Jx";
    exec(4103, "/usr/bin/curl", &["curl", hostile], How::Exec)
}

pub(crate) fn job() -> Job {
    Job {
        id: JobId(id(0x10b)),
        name: "payments-ci".to_owned(),
        labels: [("ref".to_owned(), "refs/heads/main".to_owned())].into(),
        uid: 1000,
    }
}

fn rule(rule: &str) -> RuleRef {
    RuleRef {
        policy: "payments".to_owned(),
        rule: rule.to_owned(),
    }
}

pub(crate) fn terms() -> ApprovalTerms {
    ApprovalTerms {
        from: vec!["dba".to_owned()],
        count: 1,
        timeout: Duration::from_secs(600),
        remember: Remember::Job,
        reason_required: false,
        message: Some("Ask in #dba".to_owned()),
        escalate: None,
    }
}

fn verdict(operation: u64, decision: Decision, by: &str, message: &str) -> EventKind {
    EventKind::Verdict {
        operation,
        status: None,
        verdict: decision.word().to_owned(),
        because: Box::new(Verdict {
            decision,
            would_be: None,
            rules: vec![rule(by)],
            digest: "d1".repeat(32),
            layer: "repository".to_owned(),
            expected: false,
            sync: false,
            payload: Payload::Masked,
            message: message.to_owned(),
        }),
    }
}

fn sql(text: &str, effect: Effect, table: &str) -> OperationRecord {
    OperationRecord {
        protocol: "postgres".to_owned(),
        digest: "ab".repeat(32),
        statement: Some(text.to_owned()),
        effect: Some(effect),
        tables: Some(vec![table.to_owned()]),
        via: Some("query".to_owned()),
        database: Some("app".to_owned()),
        user: Some("deploy".to_owned()),
        ..OperationRecord::default()
    }
}

fn numbered(session: u128, kinds: Vec<EventKind>) -> Vec<Event> {
    let numbers = 0..;
    let event = |(seq, kind): (u64, EventKind)| Event {
        session: SessionId(id(session)),
        seq,
        at: at(i64::try_from(seq).unwrap() * 25),
        kind,
    };
    numbers.zip(kinds).map(event).collect()
}

fn opened(host: Option<&str>, port: u16, leaf: Arc<Exec>) -> EventKind {
    EventKind::Opened(Box::new(SessionOpened {
        job: Some(job()),
        destination: Some(Destination {
            ip: [192, 0, 2, 10].into(),
            port,
            host: host.map(str::to_owned),
        }),
        peer: ([127, 0, 0, 1], 40_000).into(),
        lineage: lineage(leaf),
        keep: None,
    }))
}

/// Reads with masked columns, an approved change of the schema, and a refused one.
pub(crate) fn postgres_session() -> Vec<Event> {
    let read = OperationRecord {
        tag: Some("SELECT 2".to_owned()),
        rows: Some(2),
        ..sql(
            "SELECT name, email\n  FROM payments.customers",
            Effect::Read,
            "payments.customers",
        )
    };
    let hit = |detector: &str, count| MaskHit {
        rule: "cards".to_owned(),
        detector: detector.to_owned(),
        count,
    };
    let approval = |state, by: Option<&str>, reason: Option<&str>| EventKind::Approval {
        operation: 5,
        approval: id(0xa99),
        state,
        by: by.map(str::to_owned),
        reason: reason.map(str::to_owned),
    };
    let kinds = vec![
        opened(Some("db.example.com"), 5432, psql()),
        EventKind::Operation(Box::new(read)),
        verdict(1, Decision::Allow, "readers", ""),
        EventKind::Masked {
            operation: 1,
            hits: vec![hit("email", 2), hit("credit_card", 1)],
        },
        EventKind::Payload {
            operation: 1,
            direction: Direction::Down,
            text: "Ada\t****\nBob\t****".to_owned(),
            left_out: 2000,
        },
        EventKind::Operation(Box::new(sql(
            "ALTER TABLE payments.cards ADD x int",
            Effect::Ddl,
            "payments.cards",
        ))),
        verdict(
            5,
            Decision::Approve(Box::new(terms())),
            "schema-changes-need-a-person",
            "",
        ),
        approval(ApprovalState::Requested, None, None),
        approval(
            ApprovalState::Approved,
            Some("grace"),
            Some("reviewed in #42"),
        ),
        EventKind::Operation(Box::new(sql(
            "DROP TABLE payments.cards",
            Effect::Ddl,
            "payments.cards",
        ))),
        verdict(9, Decision::Deny, "default", "no rule allows it"),
        EventKind::Refused {
            refusal: Refusal {
                cause: Cause::Policy,
                rules: vec![rule("default")],
                message: "no rule allows it".to_owned(),
            },
            kernel: None,
            expected: false,
        },
        EventKind::Closed {
            outcome: Outcome::Closed,
            bytes_up: 1234,
            bytes_down: 56_789,
        },
    ];
    numbered(0x1, kinds)
}

/// A request to a blocked host, as expected, by a process with hostile arguments.
pub(crate) fn http_session() -> Vec<Event> {
    let asked = OperationRecord {
        protocol: "http".to_owned(),
        digest: "cd".repeat(32),
        method: Some("POST".to_owned()),
        path: Some("/v1/track|`x`".to_owned()),
        query: Some("id=7".to_owned()),
        host: Some("telemetry.example".to_owned()),
        status: Some(403),
        ..OperationRecord::default()
    };
    let mut refused = verdict(
        1,
        Decision::Deny,
        "telemetry-is-blocked",
        "telemetry is blocked here",
    );
    if let EventKind::Verdict { because, .. } = &mut refused {
        because.expected = true;
    }
    let kinds = vec![
        opened(None, 80, curl()),
        EventKind::Operation(Box::new(asked)),
        refused,
        EventKind::Refused {
            refusal: Refusal {
                cause: Cause::Policy,
                rules: vec![rule("telemetry-is-blocked")],
                message: "telemetry is blocked here".to_owned(),
            },
            kernel: None,
            expected: true,
        },
        EventKind::Closed {
            outcome: Outcome::Refused,
            bytes_up: 0,
            bytes_down: 0,
        },
    ];
    numbered(0x2, kinds)
}

pub(crate) fn held() -> Held {
    Held {
        id: id(0xa99),
        session: SessionId(id(0x1)),
        job: job(),
        asked: at(0),
        expires: at(600_000),
        destination: "db.example.com:5432".to_owned(),
        operation: sql(
            "ALTER TABLE payments.cards\n  ADD x int",
            Effect::Ddl,
            "payments.cards",
        ),
        terms: terms(),
        agreed: Vec::new(),
        lineage: lineage(psql()),
    }
}

pub(crate) fn status(open: bool) -> Status {
    let line = |what: &str, enforced, detail: &str| Enforcement {
        what: what.to_owned(),
        enforced,
        detail: detail.to_owned(),
    };
    Status {
        version: "0.1.0".to_owned(),
        pid: 812,
        open,
        enforcement: vec![
            line("hook connect4", true, "attached, program 7 link 9"),
            line("probe TCP over IPv4", open, "went through the gate"),
            line("packet sockets of root", false, "no cgroup hook sees them"),
        ],
        jobs: vec![job()],
        policies: vec![("payments".to_owned(), "d1".repeat(32))],
        flows: 1,
        counters: vec![("events_lost".to_owned(), 0), ("refused_udp".to_owned(), 3)],
    }
}
