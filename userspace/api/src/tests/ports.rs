//! Ports that remember, and a server in front of them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use sluice_flow::ports::{
    AnswerError, ApprovalDesk, Control, Enforcement, Held, JobRequest, JobTicket, Person,
    RecordError, SessionFilter, Sessions, Status,
};
use sluice_flow::session::{ApprovalId, EventKind, OperationRecord, Outcome};
use sluice_flow::verdict::Remember;
use sluice_flow::{ApprovalTerms, Event, Job, JobId, Labels, Lineage, SessionId, SessionSummary};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{ApiOptions, Client, Ports, Server, socket_path};

pub(super) fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(super) fn closed(session: u128, seq: u64) -> Event {
    Event {
        session: SessionId(uuid(session)),
        seq,
        at: at(1),
        kind: EventKind::Closed {
            outcome: Outcome::Closed,
            bytes_up: 1,
            bytes_down: 2,
        },
    }
}

pub(super) fn job(uid: u32) -> Job {
    Job {
        id: JobId(uuid(77)),
        name: "payments-ci".to_owned(),
        labels: Labels::new(),
        uid,
    }
}

pub(super) fn held(id: u128, from: &str) -> Held {
    Held {
        id: uuid(id),
        session: SessionId(uuid(1)),
        job: job(1000),
        asked: at(0),
        expires: at(600),
        destination: "db.example.com:5432".to_owned(),
        operation: OperationRecord {
            protocol: "postgres".to_owned(),
            digest: "ab".repeat(32),
            statement: Some("DROP TABLE t".to_owned()),
            ..OperationRecord::default()
        },
        terms: ApprovalTerms {
            from: vec![from.to_owned()],
            count: 2,
            timeout: Duration::from_secs(600),
            remember: Remember::Operation,
            reason_required: false,
            message: None,
            escalate: None,
        },
        agreed: Vec::new(),
        lineage: Lineage::default(),
    }
}

/// One fake for all ports.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) events: Mutex<Vec<Event>>,
    pub(super) held: Vec<Held>,
    pub(super) answer: Mutex<Option<Result<u32, AnswerError>>>,
    pub(super) calls: Mutex<Vec<String>>,
    pub(super) refuses: AtomicBool,
}

impl Fake {
    fn called(&self, what: String) {
        self.calls.lock().unwrap().push(what);
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn unless_refusing<T>(&self, value: T) -> Result<T, String> {
        match self.refuses.load(Ordering::SeqCst) {
            true => Err("not now: wait".to_owned()),
            false => Ok(value),
        }
    }
}

impl Sessions for Fake {
    fn list(&self, filter: &SessionFilter) -> Result<Vec<SessionSummary>, RecordError> {
        self.called(format!("list {}", serde_json::to_string(filter).unwrap()));
        let ids = [SessionId(uuid(1)), SessionId(uuid(2))];
        Ok(ids.map(|id| SessionSummary::new(id, at(0))).into())
    }

    fn events(&self, session: SessionId) -> Result<Vec<Event>, RecordError> {
        let events = self.events.lock().unwrap();
        let of_it = events.iter().filter(|event| event.session == session);
        Ok(of_it.cloned().collect())
    }

    fn tail(&self, position: u64, most: usize) -> Result<(Vec<Event>, u64), RecordError> {
        if self.refuses.load(Ordering::SeqCst) {
            let what = "segment 3 is torn".to_owned();
            return Err(RecordError { what });
        }
        let events = self.events.lock().unwrap();
        let from = usize::try_from(position).unwrap().min(events.len());
        let page: Vec<Event> = events[from..].iter().take(most).cloned().collect();
        let behind = u64::try_from(from + page.len()).unwrap();
        Ok((page, behind))
    }
}

impl ApprovalDesk for Fake {
    fn held(&self) -> Vec<Held> {
        self.held.clone()
    }

    fn answer(
        &self,
        id: ApprovalId,
        person: &Person,
        agree: bool,
        reason: Option<&str>,
    ) -> Result<u32, AnswerError> {
        self.called(format!("answer {id} {} {agree} {reason:?}", person.uid));
        self.answer.lock().unwrap().clone().unwrap_or(Ok(1))
    }
}

impl Control for Fake {
    fn status(&self) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            pid: 1,
            open: true,
            enforcement: vec![Enforcement {
                what: "probe".to_owned(),
                enforced: true,
                detail: "went through the gate".to_owned(),
            }],
            jobs: vec![job(0)],
            policies: Vec::new(),
            flows: 0,
            counters: Vec::new(),
        }
    }

    fn start_job(
        &self,
        request: JobRequest,
        person: &Person,
        by: u32,
    ) -> Result<JobTicket, String> {
        assert_eq!(by, std::process::id(), "the process that asks runs the job");
        self.called(format!("start {} for {}", request.name, person.name));
        self.unless_refusing(JobTicket {
            id: JobId(uuid(77)),
            cgroup: PathBuf::from("/sys/fs/cgroup/sluice/77"),
        })
    }

    fn end_job(&self, job: JobId, grace: Duration) -> Result<(), String> {
        self.called(format!("end {job} {grace:?}"));
        self.unless_refusing(())
    }

    fn reload(&self) -> Result<Vec<(String, String)>, String> {
        self.unless_refusing(vec![("payments-ci".to_owned(), "ab12".to_owned())])
    }

    fn explain(&self, session: SessionId) -> Result<String, String> {
        self.unless_refusing(format!("{session}: because"))
    }
}

/// A server over a [`Fake`], until it is dropped.
pub(super) struct Served {
    pub(super) state: tempfile::TempDir,
    pub(super) fake: Arc<Fake>,
    pub(super) member: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    pub(super) fn new(fake: Fake) -> Self {
        let state = tempfile::tempdir().unwrap();
        let fake = Arc::new(fake);
        let member = Arc::new(AtomicBool::new(false));
        let options = ApiOptions {
            socket: socket_path(state.path()),
            admin_group: None,
        };
        let server = Server::bind(options, ports(&fake, &member)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            server.run(stopped).await.unwrap();
        });
        Self {
            state,
            fake,
            member,
            stop: Some(stop),
            task,
        }
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.state.path()).await.unwrap()
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket_path(self.state.path())
    }

    pub(super) async fn stop(mut self) -> tempfile::TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
        self.state
    }
}

pub(super) fn ports(fake: &Arc<Fake>, member: &Arc<AtomicBool>) -> Ports {
    let member = Arc::clone(member);
    Ports {
        sessions: Arc::clone(fake) as _,
        desk: Arc::clone(fake) as _,
        control: Arc::clone(fake) as _,
        is_member: Arc::new(move |_| member.load(Ordering::SeqCst)),
    }
}
