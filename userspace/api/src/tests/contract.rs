//! Names that others script against: a change here breaks them.

use serde_json::{Value, json};
use sluice_flow::session::SessionOpened;
use sluice_flow::verdict::{Payload, Verdict};
use sluice_flow::{
    Cause, Decision, Destination, Effect, Event, EventKind, Exec, ExecId, How, Lineage, ProcessId,
    Refusal, RuleRef, SessionId, SessionSummary,
};

use super::ports::{at, job, uuid};

fn exec() -> Exec {
    Exec {
        id: ExecId {
            boot: uuid(9),
            process: ProcessId {
                tgid: 42,
                started: 7,
            },
            ordinal: 1,
        },
        pid: 42,
        exe: "/usr/bin/psql".to_owned(),
        argv: vec!["psql".to_owned(), "-c".to_owned()],
        argv_state: Default::default(),
        cwd: "/builds".to_owned(),
        uid: 1000,
        cgroup: 3,
        started: at(0),
        how: How::Root,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    }
}

fn event(seq: u64, kind: EventKind) -> Event {
    Event {
        session: SessionId(uuid(1)),
        seq,
        at: at(2),
        kind,
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn opened() -> EventKind {
    EventKind::Opened(Box::new(SessionOpened {
        job: Some(job(1000)),
        destination: Some(Destination {
            ip: [192, 0, 2, 1].into(),
            port: 5432,
            host: Some("db.example.com".to_owned()),
        }),
        peer: ([127, 0, 0, 1], 4000).into(),
        lineage: Lineage {
            execs: vec![exec().into()],
            complete: true,
        },
        keep: None,
    }))
}

#[test]
fn a_session_has_the_names_of_the_contract() {
    let mut summary = SessionSummary::new(SessionId(uuid(1)), at(0));
    summary.apply(&event(0, opened()));
    let value = serde_json::to_value(&summary).unwrap();
    let names = keys(&value);
    for name in [
        "id",
        "job",
        "opened",
        "closed",
        "protocol",
        "destination",
        "verdict",
        "rules",
        "bytes_up",
        "bytes_down",
        "lineage",
        "lineage_complete",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(keys(&value["job"]), ["id", "name", "labels"]);
    let destination = json!({"ip": "192.0.2.1", "port": 5432, "host": "db.example.com"});
    assert_eq!(value["destination"], destination);
    let link = keys(&value["lineage"][0]);
    for name in ["pid", "exe", "argv", "cwd", "uid", "started", "how"] {
        assert!(link.contains(&name), "{name}");
    }
    assert_eq!(value["lineage"][0]["how"], "root");
    assert_eq!(value["opened"], "2023-11-14T22:13:22Z");
    assert_eq!(value["closed"], Value::Null);
}

#[test]
fn events_have_the_names_of_the_contract() {
    let statement = sluice_flow::session::OperationRecord {
        protocol: "postgres".to_owned(),
        statement: Some("SELECT 1".to_owned()),
        effect: Some(Effect::Read),
        tables: Some(Vec::new()),
        ..Default::default()
    };
    let request = sluice_flow::session::OperationRecord {
        protocol: "http".to_owned(),
        method: Some("GET".to_owned()),
        path: Some("/".to_owned()),
        status: Some(200),
        ..Default::default()
    };
    let verdict = Verdict {
        decision: Decision::Deny,
        would_be: None,
        rules: vec![RuleRef {
            policy: "p".to_owned(),
            rule: "r".to_owned(),
        }],
        digest: String::new(),
        layer: "host".to_owned(),
        expected: false,
        sync: false,
        payload: Payload::Statements,
        message: "no".to_owned(),
    };
    let refused = EventKind::Refused {
        refusal: Refusal::of(Cause::Policy, "no"),
        kernel: None,
        expected: false,
    };
    let said = EventKind::Verdict {
        operation: 1,
        status: None,
        verdict: "deny".to_owned(),
        because: Box::new(verdict),
    };
    for (kind, word, names) in [
        (
            EventKind::Operation(Box::new(statement)),
            "operation",
            &["statement", "effect", "tables"][..],
        ),
        (
            EventKind::Operation(Box::new(request)),
            "operation",
            &["method", "path", "status"],
        ),
        (said, "verdict", &["operation", "verdict", "because"]),
        (refused, "refused", &["cause", "rules", "message"]),
    ] {
        let value = serde_json::to_value(event(3, kind)).unwrap();
        assert_eq!(value["kind"], word);
        assert_eq!(value["seq"], 3);
        assert_eq!(value["at"], "2023-11-14T22:13:22Z");
        for name in names {
            assert!(value.get(name).is_some(), "{word}: {name}");
        }
    }
}
