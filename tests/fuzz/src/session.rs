//! A session in memory and in paused time, and a gate that says what an input tells it to.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sluice_flow::gate::Direction;
use sluice_flow::{Answer, Cause, Gate, Hold, HttpBody, Judgement, Operation, Pass, Refusal};
use sluice_masking::{Hits, Masker};

/// How long people think.
const THOUGHT: Duration = Duration::from_millis(5);
/// After this nothing moves any more, unless something new comes.
const QUIET: Duration = Duration::from_millis(20);
/// After this a session hangs.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// Waits until nothing moves any more.
pub async fn quiet() {
    tokio::time::sleep(QUIET).await;
}

/// Runs a session to its end in paused time.
///
/// # Panics
/// When it does not end.
pub fn run<F: Future>(session: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let session = pin!(session);
        let ended = tokio::time::timeout(FOREVER, session).await;
        ended.expect("both sides have closed, and the session goes on")
    })
}

/// An operation that was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// How it came.
    pub via: String,
    /// Its statements, or its target.
    pub texts: Vec<String>,
    /// What became of it; `None` while it is held.
    pub allowed: Option<bool>,
}

/// What a gate was asked, shared with who looks on.
pub type Log = Rc<RefCell<Vec<Judged>>>;

/// A gate that says what an input tells it to, two bits an operation: allow, refuse, hold and
/// then one of these.
pub struct ToldGate {
    /// The bits; they are used again and again.
    pub told: u8,
    /// What answers are masked with.
    pub masker: Option<Arc<Masker>>,
    /// Whether answers are recorded.
    pub record_payload: bool,
    /// What was asked.
    pub log: Log,
}

impl Gate for ToldGate {
    async fn judge(&mut self, operation: Operation) -> Judgement {
        let number = self.log.borrow().len();
        let told = self
            .told
            .rotate_right(u32::try_from(number % 4).unwrap_or(0) * 2);
        let (refused, held) = (told & 1 == 1, told & 2 == 2);
        let operation = match operation {
            Operation::Http(request) if held && request.body == HttpBody::Unread => {
                return Judgement::ReadBody(Box::new(request));
            }
            operation => operation,
        };
        let (via, texts) = told_apart(operation);
        self.log.borrow_mut().push(Judged {
            via,
            texts,
            allowed: (!held).then_some(!refused),
        });
        let pass = Pass {
            operation: number as u64,
            masker: self.masker.clone(),
            record_payload: self.record_payload,
            judges_answer: true,
        };
        let refusal = Refusal::of(Cause::Policy, "not here");
        if held {
            let log = Rc::clone(&self.log);
            let answer = Box::pin(async move {
                tokio::time::sleep(THOUGHT).await;
                if let Some(judged) = log.borrow_mut().get_mut(number) {
                    judged.allowed = Some(!refused);
                }
                if refused { Err(refusal) } else { Ok(pass) }
            });
            let message = "people are asked".to_owned();
            return Judgement::Hold(Hold { message, answer });
        }
        if refused {
            Judgement::Refuse(refusal)
        } else {
            Judgement::Forward(pass)
        }
    }

    async fn judge_answer(&mut self, operation: u64, status: u16) -> Result<Pass, Refusal> {
        self.was_asked(operation);
        assert!((100..600).contains(&status), "an answer without a status");
        Ok(Pass {
            operation,
            masker: self.masker.clone(),
            record_payload: self.record_payload,
            judges_answer: true,
        })
    }

    fn answered(&mut self, operation: u64, _: Answer) {
        self.was_asked(operation);
    }

    fn masked(&mut self, operation: u64, hits: &Hits) {
        self.was_asked(operation);
        assert!(!hits.is_empty());
    }

    fn payload(&mut self, operation: u64, _: Direction, _: &[u8]) {
        self.was_asked(operation);
        assert!(self.record_payload, "a payload that is not to be recorded");
    }

    fn refused(&mut self, _: &Refusal) {}

    fn passed(&mut self, _: Direction, _: u64) {}
}

impl ToldGate {
    fn was_asked(&self, operation: u64) {
        let log = self.log.borrow();
        let number = usize::try_from(operation).unwrap_or(usize::MAX);
        assert!(log.get(number).is_some(), "no operation {operation}");
    }
}

fn told_apart(operation: Operation) -> (String, Vec<String>) {
    match operation {
        Operation::Postgres(message) => {
            assert!(!message.statements.is_empty(), "nothing is judged");
            let texts = message.statements.into_iter().map(|s| s.text);
            (message.via, texts.collect())
        }
        Operation::Http(request) => (request.method, vec![request.path]),
        Operation::Opaque(stream) => ("opaque".to_owned(), vec![stream.looks_like]),
        Operation::Dns(question) => ("dns".to_owned(), vec![question.name]),
    }
}
