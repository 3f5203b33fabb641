//! The command as people and scripts use it: the built binary against a served API, and
//! against nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use sluice_api::{ApiOptions, Ports, Server, socket_path};
use sluice_flow::ports::{
    AnswerError, ApprovalDesk, Control, Held, JobRequest, JobTicket, Person, RecordError,
    SessionFilter, Sessions, Status,
};
use sluice_flow::session::{ApprovalId, EventKind, OperationRecord, Outcome};
use sluice_flow::verdict::{ApprovalTerms, Remember};
use sluice_flow::{Event, Job, JobId, Lineage, SessionId, SessionSummary};
use uuid::Uuid;

const SESSION: &str = "0193a6b2-7c1e-7d3f-8a4b-9f86d0818840";
const REQUEST: &str = "0193a6b2-7c1e-7d3f-8a4b-aaaaaaaa0001";

fn at() -> Timestamp {
    "2026-11-20T13:05:12Z".parse().unwrap()
}

fn events() -> Vec<Event> {
    let asked = OperationRecord {
        protocol: "http".to_owned(),
        method: Some("GET".to_owned()),
        path: Some("/\u{1b}[2J".to_owned()),
        ..OperationRecord::default()
    };
    let closed = EventKind::Closed {
        outcome: Outcome::Closed,
        bytes_up: 0,
        bytes_down: 0,
    };
    let kinds = [EventKind::Operation(Box::new(asked)), closed];
    let event = |(seq, kind)| Event {
        session: SessionId(SESSION.parse().unwrap()),
        seq,
        at: at(),
        kind,
    };
    (0..).zip(kinds).map(event).collect()
}

/// A daemon that knows one session and holds one operation.
#[derive(Default)]
struct Fake {
    answers: Mutex<Vec<(bool, Option<String>)>>,
    shut: bool,
}

impl Sessions for Fake {
    fn list(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>, RecordError> {
        let mut summary = SessionSummary::new(SessionId(SESSION.parse().unwrap()), at());
        events().iter().for_each(|event| summary.apply(event));
        Ok(if filter.job.is_some() {
            Vec::new()
        } else {
            vec![summary]
        })
    }

    fn events(&self, session: SessionId) -> Result<Vec<Event>, RecordError> {
        Ok(events()
            .into_iter()
            .filter(|event| event.session == session)
            .collect())
    }

    fn tail(&self, position: u64, _: usize) -> Result<(Vec<Event>, u64), RecordError> {
        Ok(if position == 0 {
            (events(), 2)
        } else {
            (Vec::new(), 2)
        })
    }
}

impl ApprovalDesk for Fake {
    fn held(&self) -> Vec<Held> {
        vec![Held {
            id: REQUEST.parse().unwrap(),
            session: SessionId(SESSION.parse().unwrap()),
            job: Job {
                id: JobId(Uuid::nil()),
                name: "payments-ci".to_owned(),
                labels: Default::default(),
                uid: 1000,
            },
            asked: Timestamp::now(),
            expires: Timestamp::now() + Duration::from_secs(600),
            destination: "db.example.com:5432".to_owned(),
            operation: OperationRecord {
                protocol: "postgres".to_owned(),
                statement: Some("DROP TABLE t".to_owned()),
                ..OperationRecord::default()
            },
            terms: ApprovalTerms {
                from: vec!["dba".to_owned()],
                count: 2,
                timeout: Duration::from_secs(600),
                remember: Remember::Operation,
                reason_required: false,
                message: None,
                escalate: None,
            },
            agreed: Vec::new(),
            lineage: Lineage::default(),
        }]
    }

    fn answer(
        &self,
        id: ApprovalId,
        _: &Person,
        agree: bool,
        reason: Option<&str>,
    ) -> Result<u32, AnswerError> {
        if id.to_string() != REQUEST {
            return Err(AnswerError::Unknown);
        }
        let mut answers = self.answers.lock().unwrap();
        answers.push((agree, reason.map(str::to_owned)));
        Ok(1)
    }
}

impl Control for Fake {
    fn status(&self) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            open: !self.shut,
            enforcement: Vec::new(),
            jobs: Vec::new(),
            policies: vec![("payments".to_owned(), "d1".to_owned())],
            flows: 0,
            counters: Vec::new(),
        }
    }

    fn start_job(&self, _: JobRequest, _: &Person, _: u32) -> Result<JobTicket, String> {
        Err("no".to_owned())
    }

    fn end_job(&self, _: JobId, _: Duration) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self) -> Result<Vec<(String, String)>, String> {
        Err("payments.yaml:3:1: unknown key".to_owned())
    }

    fn explain(&self, session: SessionId) -> Result<String, String> {
        Ok(format!("{session}: because\n"))
    }
}

/// Runs `test` in a state directory that a daemon serves.
fn served(fake: Fake, test: impl FnOnce(&Path, &Fake)) {
    let state = tempfile::tempdir().unwrap();
    let fake = Arc::new(fake);
    let options = ApiOptions {
        socket: socket_path(state.path()),
        admin_group: None,
    };
    let ports = Ports {
        sessions: Arc::clone(&fake) as _,
        desk: Arc::clone(&fake) as _,
        control: Arc::clone(&fake) as _,
        is_member: Arc::new(|_| false),
    };
    let server = Server::bind(options, ports).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let serving = runtime.spawn(server.run(std::future::pending()));
    test(state.path(), &fake);
    serving.abort();
}

fn command(state: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("--state").arg(state).args(line.split(' '));
    command.env_remove("GITHUB_STEP_SUMMARY");
    command
}

/// Exit code, standard output, standard error.
fn sluice(state: &Path, line: &str) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(state, line).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn sessions_of_a_daemon() {
    served(Fake::default(), |state, _| {
        let (code, list, _) = sluice(state, "sessions list");
        assert_eq!(code, 0);
        assert!(
            list.contains("9f86d0818840") && list.contains("http"),
            "{list}"
        );
        assert!(!list.contains('\u{1b}'), "no colours where nobody looks");
        let (_, json, _) = sluice(state, "sessions list --json");
        let session: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(session["id"], SESSION);
        let (_, shown, _) = sluice(state, "sessions show 9f86d0818840");
        assert!(shown.contains("GET /\\u{1b}[2J"), "{shown}");
        let (_, json, _) = sluice(state, "sessions show last --json");
        let kinds: Vec<serde_json::Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(kinds[0]["kind"], "operation");
        assert_eq!(kinds[1]["kind"], "closed");
        let (code, _, told) = sluice(state, "sessions show ffff");
        assert_eq!(
            (code, told.as_str()),
            (1, "sluice: error: there is no session `ffff`\n")
        );
        let (_, tree, _) = sluice(state, "lineage 8840");
        assert!(tree.contains("process not known"), "{tree}");
        let (_, why, _) = sluice(state, "policy explain 8840");
        assert_eq!(why, format!("{SESSION}: because\n"));
    });
}

#[test]
fn approvals_are_answered_by_the_end_of_their_id() {
    served(Fake::default(), |state, fake| {
        let (_, list, _) = sluice(state, "approvals list");
        assert!(
            list.contains("aaaaaaaa0001") && list.contains("DROP TABLE t"),
            "{list}"
        );
        let (code, done, _) = sluice(state, "approvals approve aaaaaaaa0001 --reason reviewed");
        assert_eq!(code, 0);
        assert_eq!(
            done,
            "aaaaaaaa0001: you agreed: it waits for 1 more person\n"
        );
        let (_, done, _) = sluice(state, "approvals deny 0001");
        assert!(done.contains("denied"), "{done}");
        let want = vec![(true, Some("reviewed".to_owned())), (false, None)];
        assert_eq!(*fake.answers.lock().unwrap(), want);
        let (code, _, told) = sluice(state, &format!("approvals approve {SESSION}"));
        assert_eq!(code, 1);
        assert!(told.contains("no such request waits"), "{told}");
    });
}

#[test]
fn status_fails_where_the_gate_is_shut() {
    served(Fake::default(), |state, _| {
        let (code, text, _) = sluice(state, "status");
        assert_eq!(code, 0, "{text}");
        let (code, _, told) = sluice(state, "reload");
        assert_eq!(code, 1);
        let want =
            "sluice: error: payments.yaml:3:1: unknown key\nhint: the old policies stay in force\n";
        assert_eq!(told, want);
    });
    let shut = Fake {
        shut: true,
        ..Fake::default()
    };
    served(shut, |state, _| {
        let (code, json, _) = sluice(state, "status --json");
        assert_eq!(code, 1);
        assert!(json.contains("\"open\":false"), "{json}");
    });
}

#[test]
fn following_ends_with_an_interrupt_and_when_nobody_reads() {
    served(Fake::default(), |state, _| {
        let mut follow = command(state, "sessions follow --from-start");
        let mut child = follow
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        assert!(first.contains("GET /\\u{1b}[2J"), "{first}");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut told = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        assert_eq!(told, "");

        let mut follow = command(state, "sessions follow --from-start --json");
        let mut child = follow
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    });
}

#[test]
fn without_anything_each_command_says_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    for (line, says) in [
        ("status", "no sluice daemon answers"),
        ("approvals list", "no sluice daemon answers"),
        ("reload", "no sluice daemon answers"),
        ("sessions list", "there is no session log"),
        ("lineage x", "there is no session log"),
        ("store verify", "there is no session log"),
        ("store rebuild", "there is no session log"),
        ("policy check no.yaml", "no.yaml"),
        ("policy test no.yaml", "no.test.yaml"),
    ] {
        let (code, out, told) = sluice(state.path(), line);
        assert_eq!((code, out.as_str()), (1, ""), "{line}");
        assert!(
            told.starts_with("sluice: error: ") && told.contains(says),
            "{line}: {told}"
        );
    }
    assert!(
        std::fs::read_dir(state.path()).unwrap().next().is_none(),
        "asking writes nothing"
    );
}

#[test]
fn a_job_that_cannot_be_prepared_is_not_started() {
    let state = tempfile::tempdir().unwrap();
    let mark = state.path().join("ran");
    for option in ["--secret=SLUICE_NOT_SET", "--summary=/nowhere/x.md"] {
        let mut run = command(state.path(), "run");
        let output = run
            .args([option, "--", "touch"])
            .arg(&mark)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125), "{option}");
        assert!(!mark.exists());
    }
}
