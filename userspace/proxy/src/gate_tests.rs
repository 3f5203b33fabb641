use std::net::SocketAddr;
use std::sync::Mutex;

use sluice_flow::ports::{ApprovalDesk as _, Person, Synced};
use sluice_flow::{Exec, ExecId, HttpBody, HttpRequest, Job, JobId, ProcessId, SessionId};
use sluice_policy::{Layer, PolicySet, Source};

use super::*;
use sluice_flow::ports::SessionLog;
use sluice_flow::session::Outcome;

const TOKEN: &str = "s3cr3t-value-of-the-job";

/// A log in memory that can be made to fail.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) events: Arc<Mutex<Vec<EventKind>>>,
    pub(crate) full: Arc<Mutex<bool>>,
}

impl SessionLog for Memory {
    fn id(&self) -> SessionId {
        SessionId(Uuid::from_u128(1))
    }

    fn append(&mut self, events: Vec<EventKind>) -> Result<u64, RecordError> {
        if *self.full.lock().unwrap() {
            return Err(RecordError {
                what: "full".to_owned(),
            });
        }
        let mut kept = self.events.lock().unwrap();
        let first = kept.len() as u64;
        kept.extend(events);
        Ok(first)
    }

    fn later(&mut self, event: EventKind) -> u64 {
        self.append(vec![event]).unwrap()
    }

    fn synced(&self) -> Synced {
        Box::pin(async { Ok(()) })
    }
}

fn policy(rules: &str, job: &Job) -> Arc<sluice_policy::JobPolicy> {
    let text = format!("version: 1\nname: p\nrules:\n{rules}");
    let source = Source {
        layer: Layer::Repository,
        file: "p.yaml".to_owned(),
        text,
    };
    PolicySet::load(vec![source]).unwrap().for_job(job)
}

pub(crate) fn lineage() -> Lineage {
    let process = ProcessId {
        tgid: 1,
        started: 1,
    };
    let exec = Exec {
        id: ExecId {
            boot: Uuid::nil(),
            process,
            ordinal: 1,
        },
        pid: 1,
        exe: "/usr/bin/curl".to_owned(),
        argv: vec!["curl".to_owned(), TOKEN.to_owned()],
        argv_state: Default::default(),
        cwd: "/".to_owned(),
        uid: 1,
        cgroup: 1,
        started: Timestamp::UNIX_EPOCH,
        how: sluice_flow::How::Root,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    };
    Lineage {
        execs: vec![Arc::new(exec)],
        complete: true,
    }
}

pub(crate) struct Fixture {
    pub(crate) gate: FlowGate,
    pub(crate) memory: Memory,
    job: Arc<RunningJob>,
    desk: Arc<Desk>,
}

pub(crate) fn fixture(rules: &str) -> Fixture {
    fixture_of(rules, HostFact::Proved("api.example.com".to_owned()))
}

pub(crate) fn fixture_of(rules: &str, host: HostFact) -> Fixture {
    fixture_with(rules, host, vec![TOKEN.to_owned()])
}

pub(crate) fn fixture_with(rules: &str, host: HostFact, secrets: Vec<String>) -> Fixture {
    let job = Job {
        id: JobId::new(),
        name: "j".to_owned(),
        labels: Default::default(),
        uid: 1,
    };
    let rules = policy(rules, &job);
    let job = RunningJob::new(job, rules, secrets, [7; 32]).unwrap();
    let job = Arc::new(job);
    let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let asker = Asker {
        job: Arc::clone(&job),
        lineage: lineage(),
        destination: Destination::of(address),
        host,
    };
    let (memory, desk) = (Memory::default(), Arc::<Desk>::default());
    let flow = asker.flow_policy();
    let log = Log::new(Box::new(memory.clone()));
    let gate = FlowGate::new(asker, flow, Arc::clone(&desk), log);
    Fixture {
        gate,
        memory,
        job,
        desk,
    }
}

pub(crate) fn request(method: &str, path: &str, host: &str) -> Operation {
    Operation::Http(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        host: Some(host.to_owned()),
        headers: Vec::new(),
        upgrade: None,
        body: HttpBody::None,
    })
}

pub(crate) fn kinds(memory: &Memory) -> Vec<&'static str> {
    let kind = |event: &EventKind| match event {
        EventKind::Operation(_) => "operation",
        EventKind::Verdict {
            status: Some(_), ..
        } => "verdict on the answer",
        EventKind::Verdict { .. } => "verdict",
        EventKind::Refused { .. } => "refused",
        EventKind::Approval {
            state: ApprovalState::Withdrawn,
            ..
        } => "withdrawn",
        EventKind::Approval {
            state: ApprovalState::Approved,
            ..
        } => "approved",
        EventKind::Approval { .. } => "approval",
        EventKind::Closed { .. } => "closed",
        _ => "other",
    };
    memory.events.lock().unwrap().iter().map(kind).collect()
}

const GET: &str =
    "  - { name: get, what: { host: api.example.com, http: { method: [GET] } }, then: allow }";
const HELD: &str =
    "  - { name: held, what: { http: { method: [GET] } }, then: { approve: { from: [dba] } } }";

#[tokio::test]
async fn the_operation_and_its_verdict_are_in_the_log_before_it_may_pass() {
    let mut f = fixture(GET);
    let judged = f.gate.judge(request("GET", "/", "api.example.com")).await;
    let Judgement::Forward(pass) = judged else {
        panic!("not allowed")
    };
    assert_eq!(pass.operation, 0);
    assert_eq!(kinds(&f.memory), ["operation", "verdict"]);
}

#[tokio::test]
async fn a_refusal_is_recorded_and_names_its_rule() {
    let mut f = fixture(GET);
    let judged = f.gate.judge(request("POST", "/", "api.example.com")).await;
    let Judgement::Refuse(refusal) = judged else {
        panic!("allowed")
    };
    assert_eq!(refusal.cause, Cause::Policy);
    assert_eq!(
        refusal.rules.first().map(ToString::to_string).as_deref(),
        Some("p/default")
    );
    assert_eq!(kinds(&f.memory), ["operation", "verdict", "refused"]);
    f.gate.into_account().close(Outcome::Closed);
    let events = f.memory.events.lock().unwrap();
    let last = events.last();
    assert!(
        matches!(
            last,
            Some(EventKind::Closed {
                outcome: Outcome::Refused,
                ..
            })
        ),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_agree_is_its_own_cause() {
    let mut f = fixture(GET);
    let judged = f.gate.judge(request("GET", "/", "other.example.com")).await;
    let Judgement::Refuse(refusal) = judged else {
        panic!("allowed")
    };
    assert_eq!(refusal.cause, Cause::HostDisagrees);
}

#[tokio::test]
async fn a_name_that_the_operation_proves_is_on_record() {
    let names = ["api.example.com", "web.example.com"].map(str::to_owned);
    for (host, claimed, proved) in [
        (
            HostFact::resolved(&names),
            "Web.example.com:80",
            Some("web.example.com"),
        ),
        (HostFact::resolved(&names), "other.example.com", None),
        (HostFact::resolved(&names), "192.0.2.1", None),
        (HostFact::Unknown, "web.example.com", None),
        (
            HostFact::Proved("api.example.com".to_owned()),
            "api.example.com",
            None,
        ),
    ] {
        let mut f = fixture_of(GET, host);
        let _ = f.gate.judge(request("GET", "/", claimed)).await;
        let events = f.memory.events.lock().unwrap();
        let Some(EventKind::Operation(record)) = events.first() else {
            panic!("{events:?}")
        };
        assert_eq!(record.proved_host.as_deref(), proved, "{claimed}");
    }
}

#[tokio::test]
async fn without_a_record_nothing_passes() {
    let mut f = fixture(GET);
    *f.memory.full.lock().unwrap() = true;
    let judged = f.gate.judge(request("GET", "/", "api.example.com")).await;
    let Judgement::Refuse(refusal) = judged else {
        panic!("allowed unrecorded")
    };
    assert_eq!(refusal.cause, Cause::RecorderUnavailable);
}

#[tokio::test]
async fn no_record_holds_a_secret_of_the_job() {
    let mut f = fixture(GET);
    let path = format!("/x/{TOKEN}");
    for method in ["GET", "POST"] {
        let _ = f
            .gate
            .judge(request(method, &path, "api.example.com"))
            .await;
    }
    let opened = f.gate.asker.opened("127.0.0.1:1".parse().unwrap());
    f.memory.events.lock().unwrap().push(opened);
    let told = format!("{:?}", f.memory.events.lock().unwrap());
    assert!(!told.contains(TOKEN), "{told}");
}

#[tokio::test]
async fn a_stream_that_cannot_be_masked_is_refused_where_a_mask_is_about_it() {
    let open = "  - { name: ssh, what: { port: 80, protocol: ssh }, then: allow }\nmask:\n";
    let mask = |mask: &str| format!("{open}  - {{ name: m, {mask} }}");
    for (rules, want) in [
        (mask("detect: email"), Some(Cause::Undecodable)),
        (mask("what: { port: 81 }, detect: email"), None),
        (
            mask("what: { protocol: [http, postgres] }, detect: email"),
            None,
        ),
        (mask("what: { postgres: {} }, detect: email"), None),
        (mask("column: a.b"), None),
    ] {
        let mut f = fixture(&rules);
        let ssh = Operation::Opaque(sluice_flow::operation::OpaqueStream {
            looks_like: "ssh".to_owned(),
        });
        let got = match f.gate.judge(ssh).await {
            // The job has a secret: that alone stops no stream.
            Judgement::Forward(pass) => pass.masker.is_none().then_some(None),
            Judgement::Refuse(refusal) => Some(Some(refusal.cause)),
            Judgement::Hold(_) | Judgement::ReadBody(_) => None,
        };
        assert_eq!(got, Some(want), "{rules}");
    }
}

#[tokio::test]
async fn a_live_flow_is_judged_by_the_policy_in_force() {
    let mut f = fixture(GET);
    let first = f.gate.judge(request("GET", "/", "api.example.com")).await;
    assert!(matches!(first, Judgement::Forward(_)));
    let stricter = "  - { name: no, what: { host: api.example.com }, then: deny }";
    f.job.replace_policy(policy(stricter, &f.job.job));
    let second = f.gate.judge(request("GET", "/", "api.example.com")).await;
    assert!(matches!(second, Judgement::Refuse(_)));
}

#[tokio::test]
async fn a_held_operation_goes_on_when_somebody_of_the_group_agrees() {
    let mut f = fixture(HELD);
    let judged = f.gate.judge(request("GET", "/", "api.example.com")).await;
    let Judgement::Hold(hold) = judged else {
        panic!("not held")
    };
    let held = f.desk.held();
    let id = held.first().map(|held| held.id).unwrap();
    assert!(hold.message.contains(&id.to_string()), "{}", hold.message);
    let ada = Person {
        uid: 2,
        name: "ada".to_owned(),
        groups: vec!["dba".to_owned()],
    };
    assert_eq!(f.desk.answer(id, &ada, true, None), Ok(0));
    assert!(hold.answer.await.is_ok());
    assert_eq!(
        kinds(&f.memory),
        ["operation", "verdict", "approval", "approved"]
    );
}

#[tokio::test]
async fn people_are_asked_about_a_body_that_was_read() {
    let mut f = fixture(HELD);
    let with = |body: HttpBody| match request("GET", "/", "api.example.com") {
        Operation::Http(request) => Operation::Http(HttpRequest { body, ..request }),
        other => other,
    };
    let Judgement::ReadBody(mut read) = f.gate.judge(with(HttpBody::Unread)).await else {
        panic!("judged without its body")
    };
    assert!(kinds(&f.memory).is_empty());
    read.body = HttpBody::held(b"body");
    let Judgement::Hold(hold) = f.gate.judge(Operation::Http(*read)).await else {
        panic!("not held")
    };
    let held = f.desk.held();
    let record = &held.first().unwrap().operation;
    assert_eq!(record.body_bytes, Some(4));
    assert!(
        record
            .body_sha256
            .as_ref()
            .is_some_and(|sha256| sha256.len() == 64)
    );
    drop(hold);
    let large = f.gate.judge(with(HttpBody::TooLarge { limit: 7 })).await;
    let Judgement::Refuse(refusal) = large else {
        panic!("asked about what it does not have")
    };
    assert_eq!(refusal.cause, Cause::OverLimit);
    assert!(
        refusal.message.contains("over 7 bytes"),
        "{}",
        refusal.message
    );
    assert!(f.desk.held().is_empty());
}

#[tokio::test]
async fn a_body_is_read_only_where_people_are_asked() {
    let mut f = fixture(GET);
    let Operation::Http(plain) = request("GET", "/", "api.example.com") else {
        panic!("not HTTP")
    };
    let unread = HttpRequest {
        body: HttpBody::Unread,
        ..plain
    };
    let judged = f.gate.judge(Operation::Http(unread)).await;
    assert!(matches!(judged, Judgement::Forward(_)));
}

#[tokio::test]
async fn a_hold_that_is_dropped_is_withdrawn() {
    let mut f = fixture(HELD);
    let judged = f.gate.judge(request("GET", "/", "api.example.com")).await;
    drop(judged);
    assert!(f.desk.held().is_empty());
    assert_eq!(
        kinds(&f.memory),
        ["operation", "verdict", "approval", "withdrawn"]
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_in_time_is_no() {
    let mut f = fixture(HELD);
    let judged = f.gate.judge(request("GET", "/", "api.example.com")).await;
    let Judgement::Hold(hold) = judged else {
        panic!("not held")
    };
    let refusal = hold.answer.await.err().map(|refusal| refusal.cause);
    assert_eq!(refusal, Some(Cause::NotApproved));
    assert_eq!(
        kinds(&f.memory),
        ["operation", "verdict", "approval", "approval", "refused"]
    );
}

#[tokio::test]
async fn the_payload_of_a_record_is_bounded() {
    let mut f = fixture(GET);
    let limit = usize::try_from(MAX_RECORDED_PAYLOAD).unwrap();
    f.gate.payload(0, Direction::Down, &vec![b'x'; limit - 1]);
    f.gate.payload(0, Direction::Down, b"yz");
    f.gate.payload(0, Direction::Down, b"more");
    let events = f.memory.events.lock().unwrap();
    let kept: Vec<(usize, u64)> = events
        .iter()
        .filter_map(|event| match event {
            EventKind::Payload { text, left_out, .. } => Some((text.len(), *left_out)),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [(limit - 1, 0), (1, 1)]);
}
