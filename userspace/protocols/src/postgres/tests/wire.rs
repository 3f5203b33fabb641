//! Messages for tests, a gate that answers from a list, and a relay in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use sluice_flow::gate::Direction;
use sluice_flow::{Answer, Cause, Gate, Hold, Judgement, Operation, Pass, Refusal, SqlMessage};
use sluice_masking::{Detector, Hits, MaskRule, Masker, Strategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::postgres::{Cancels, Facts, ServeError, serve};
use crate::sql::ParseCache;

/// A message with a type byte.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn text(parts: &[&str]) -> Vec<u8> {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .collect()
}

pub(super) fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &text(&[sql]))
}

pub(super) fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', &[text(&[name, sql]), vec![0, 0]].concat())
}

pub(super) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', &[text(&[portal, statement]), vec![0; 6]].concat())
}

pub(super) fn describe(what: char, name: &str) -> Vec<u8> {
    message(b'D', &[vec![what as u8], text(&[name])].concat())
}

pub(super) fn close(what: char, name: &str) -> Vec<u8> {
    message(b'C', &[vec![what as u8], text(&[name])].concat())
}

pub(super) fn execute(portal: &str) -> Vec<u8> {
    message(b'E', &[text(&[portal]), vec![0; 4]].concat())
}

pub(super) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub(super) fn terminate() -> Vec<u8> {
    message(b'X', b"")
}

pub(super) fn startup(parameters: &[&str]) -> Vec<u8> {
    let body = [vec![0, 3, 0, 0], text(parameters), vec![0]].concat();
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

pub(super) fn request(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(rest.len() + 8).unwrap();
    [&length.to_be_bytes()[..], &code.to_be_bytes(), rest].concat()
}

pub(super) fn ready(status: char) -> Vec<u8> {
    message(b'Z', &[status as u8])
}

pub(super) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', &text(&[tag]))
}

pub(super) fn error(code: &str, what: &str) -> Vec<u8> {
    response(b'E', code, what)
}

pub(super) fn response(kind: u8, code: &str, what: &str) -> Vec<u8> {
    let fields = format!("SERROR\0C{code}\0M{what}\0D{what}\0\0");
    message(kind, fields.as_bytes())
}

/// RowDescription: name, type, binary.
pub(super) fn description(fields: &[(&str, u32, bool)]) -> Vec<u8> {
    let mut body = u16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    for (name, oid, binary) in fields {
        body.extend(text(&[name]));
        body.extend([0; 6]);
        body.extend(oid.to_be_bytes());
        body.extend([0; 6]);
        body.extend([0, u8::from(*binary)]);
    }
    message(b'T', &body)
}

pub(super) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                body.extend(*value);
            }
        }
    }
    message(b'D', &body)
}

/// What a server says at the start.
pub(super) fn greeting() -> Vec<u8> {
    [
        message(b'R', &[0; 4]),
        message(b'S', b"client_encoding\0UTF8\0"),
        message(b'S', b"standard_conforming_strings\0on\0"),
        message(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]),
        ready('I'),
    ]
    .concat()
}

/// What a gate is to say to an operation.
pub(super) enum Say {
    Allow,
    Refuse,
    Hold(tokio::sync::oneshot::Receiver<Result<(), Refusal>>),
}

/// What a gate was told.
#[derive(Default)]
pub(super) struct Log {
    pub(super) operations: Vec<SqlMessage>,
    pub(super) answers: Vec<(u64, Answer)>,
    pub(super) hits: u64,
    pub(super) refusals: Vec<Cause>,
    pub(super) payload: Vec<u8>,
    pub(super) passed: [u64; 2],
}

impl Log {
    /// Text of every operation.
    pub(super) fn texts(&self) -> Vec<String> {
        self.operations.iter().map(SqlMessage::text).collect()
    }
}

/// Answers from a list, then allows; refuses what has `secret` in it.
pub(super) struct ListGate {
    pub(super) says: VecDeque<Say>,
    pub(super) log: Rc<RefCell<Log>>,
    pub(super) masker: Option<Arc<Masker>>,
    pub(super) record: bool,
}

pub(super) fn refusal() -> Refusal {
    Refusal::of(Cause::Policy, "not today")
}

impl Gate for ListGate {
    async fn judge(&mut self, operation: Operation) -> Judgement {
        let Operation::Postgres(message) = operation else {
            panic!("not PostgreSQL");
        };
        let forbidden = message.text().contains("forbidden");
        let mut log = self.log.borrow_mut();
        log.operations.push(message);
        let pass = Pass {
            operation: log.operations.len() as u64,
            masker: self.masker.clone(),
            record_payload: self.record,
            judges_answer: false,
        };
        match self.says.pop_front().unwrap_or(Say::Allow) {
            Say::Allow if !forbidden => Judgement::Forward(pass),
            Say::Allow | Say::Refuse => Judgement::Refuse(refusal()),
            Say::Hold(answer) => Judgement::Hold(Hold {
                message: "held: ask in #dba".to_owned(),
                answer: Box::pin(async move {
                    match answer.await {
                        Ok(Ok(())) => Ok(pass),
                        Ok(Err(refusal)) => Err(refusal),
                        Err(_) => Err(Refusal::of(Cause::NotApproved, "nobody")),
                    }
                }),
            }),
        }
    }

    fn answered(&mut self, operation: u64, answer: Answer) {
        self.log.borrow_mut().answers.push((operation, answer));
    }

    fn masked(&mut self, _: u64, hits: &Hits) {
        self.log.borrow_mut().hits += hits.total();
    }

    fn payload(&mut self, _: u64, _: Direction, masked: &[u8]) {
        self.log.borrow_mut().payload.extend(masked);
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.log.borrow_mut().refusals.push(refusal.cause);
    }

    fn passed(&mut self, direction: Direction, bytes: u64) {
        let at = usize::from(direction == Direction::Down);
        self.log.borrow_mut().passed[at] += bytes;
    }
}

/// Masks `*.ssn` and e-mail addresses.
pub(super) fn masker() -> Arc<Masker> {
    let rule = MaskRule {
        name: "test".to_owned(),
        detect: vec![Detector::Email],
        columns: vec!["*.ssn".to_owned()],
        json_keys: Vec::new(),
        strategy: Strategy::Redact,
    };
    Arc::new(Masker::compile(&[rule], &[], &[7; 32]).unwrap())
}

/// One end that a test plays.
pub(super) struct End(pub(super) DuplexStream);

impl End {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads exactly these bytes.
    pub(super) async fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        let count = self.0.read_exact(&mut read).await;
        let shown = String::from_utf8_lossy(&read);
        assert!(count.is_ok(), "ended after {shown:?}");
        assert_eq!(shown, String::from_utf8_lossy(bytes));
    }

    /// Reads one message.
    pub(super) async fn message(&mut self) -> (u8, Vec<u8>) {
        let kind = self.0.read_u8().await.expect("a message");
        let length = self.0.read_u32().await.unwrap() as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    /// Reads messages up to the one of this type, and gives all of their types.
    pub(super) async fn kinds_to(&mut self, last: char) -> String {
        let mut kinds = String::new();
        while !kinds.ends_with(last) {
            kinds.push(char::from(self.message().await.0));
        }
        kinds
    }

    /// Whether nothing comes, however often the others get their turn.
    pub(super) async fn quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut read = std::pin::pin!(self.0.read(&mut byte));
        for _ in 0..100 {
            tokio::task::yield_now().await;
            let ready = std::future::poll_fn(|context| {
                std::task::Poll::Ready(read.as_mut().poll(context).is_ready())
            });
            if ready.await {
                return false;
            }
        }
        true
    }

    /// Lets the others have their turn.
    pub(super) async fn quiet_turns(&self, turns: u32) {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// Says that no more comes.
    pub(super) async fn shut(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// The same, when nobody has anything left to do.
    pub(super) async fn shut_later(&mut self) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        self.shut().await;
    }

    /// Reads to the end of the stream.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        rest
    }
}

/// What a test is about.
pub(super) struct Setting {
    pub(super) says: Vec<Say>,
    pub(super) masker: Option<Arc<Masker>>,
    pub(super) record: bool,
    pub(super) cancels: Cancels,
    /// Bytes that the pipes in memory hold.
    pub(super) pipe: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            says: Vec::new(),
            masker: None,
            record: false,
            cancels: Cancels::default(),
            pipe: 1 << 20,
        }
    }
}

/// Runs a relay between a client and a server that the test plays.
pub(super) async fn with<F: Future<Output = ()>>(
    setting: Setting,
    play: impl FnOnce(End, End) -> F,
) -> (Result<(), ServeError>, Rc<RefCell<Log>>) {
    let (client, near) = duplex(setting.pipe);
    let (far, server) = duplex(setting.pipe);
    let log = Rc::new(RefCell::new(Log::default()));
    let mut gate = ListGate {
        says: setting.says.into(),
        log: Rc::clone(&log),
        masker: setting.masker,
        record: setting.record,
    };
    let cache = ParseCache::default();
    let facts = Facts {
        cache: &cache,
        cancels: &setting.cancels,
        columns_masked: true,
    };
    let relay = serve(near, far, &mut gate, &[], facts);
    let (served, ()) = tokio::join!(relay, play(End(client), End(server)));
    drop(gate);
    (served, log)
}

/// The same, with a session that is ready.
pub(super) async fn session<F: Future<Output = ()>>(
    setting: Setting,
    play: impl FnOnce(End, End) -> F,
) -> (Result<(), ServeError>, Rc<RefCell<Log>>) {
    with(setting, |mut client, mut server| async move {
        let hello = startup(&["user", "ann", "database", "shop"]);
        client.send(&hello).await;
        server.expect(&hello).await;
        server.send(&greeting()).await;
        client.expect(&greeting()).await;
        play(client, server).await;
    })
    .await
}
