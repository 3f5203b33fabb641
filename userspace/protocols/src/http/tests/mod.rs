//! Scripted clients and servers around [`serve`](super::serve()).

mod answers;
mod bodies;
mod broken;
mod corpus;
mod decoding;
mod exchanges;
mod heads;
mod held;
mod masks;
mod refusals;
mod targets;
mod upgrades;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use sluice_flow::gate::{Answer, Direction, Gate, Hold, Judgement};
use sluice_flow::session::Outcome;
use sluice_flow::{Cause, HttpBody, Operation, Pass, Refusal, RuleRef};
use sluice_masking::{Hits, MaskRule, Masker, Strategy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::serve;

pub(super) const SECRET: &str = "correct-horse-battery-staple";
pub(super) const GET: &str = "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// What the gate of a test says.
pub(super) enum Say {
    Allow,
    Mask,
    Deny,
    /// Held; the sender ends it.
    Hold(tokio::sync::oneshot::Receiver<bool>),
}

/// Answers by its script, then allows; notes everything.
#[derive(Default)]
pub(super) struct TestGate {
    pub(super) script: VecDeque<Say>,
    /// What it says to answers by their status; it allows others. Where nothing stands here,
    /// answers are not judged.
    pub(super) of_answers: Vec<(u16, Say)>,
    pub(super) judged_answers: Vec<u16>,
    pub(super) asked: Vec<Operation>,
    pub(super) answered: Vec<u16>,
    pub(super) hits: u64,
    pub(super) payload: Vec<u8>,
    pub(super) refused: Vec<Refusal>,
    pub(super) up: u64,
    pub(super) down: u64,
}

impl TestGate {
    pub(super) fn saying(script: impl IntoIterator<Item = Say>) -> Self {
        Self {
            script: script.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(super) fn causes(&self) -> Vec<Cause> {
        self.refused.iter().map(|refusal| refusal.cause).collect()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        let path = |operation: &Operation| match operation {
            Operation::Http(request) => request.path.clone(),
            Operation::Opaque(stream) => stream.looks_like.clone(),
            other => panic!("{other:?}"),
        };
        self.asked.iter().map(path).collect()
    }

    fn pass(&self, masked: bool) -> Pass {
        Pass {
            operation: self.asked.len() as u64,
            masker: masked.then(masker),
            record_payload: masked,
            judges_answer: !self.of_answers.is_empty(),
        }
    }
}

pub(super) fn masker() -> Arc<Masker> {
    let rule = MaskRule {
        name: "keys".to_owned(),
        detect: Vec::new(),
        columns: Vec::new(),
        json_keys: vec!["pin".to_owned()],
        strategy: Strategy::Redact,
    };
    Arc::new(Masker::compile(&[rule], &[SECRET.to_owned()], &[7; 32]).unwrap())
}

pub(super) fn denied() -> Refusal {
    Refusal {
        cause: Cause::Policy,
        rules: vec![RuleRef {
            policy: "ci".to_owned(),
            rule: "no-writes".to_owned(),
        }],
        message: "ask in #infra".to_owned(),
    }
}

impl Gate for TestGate {
    async fn judge(&mut self, operation: Operation) -> Judgement {
        let said = self.script.pop_front().unwrap_or(Say::Allow);
        if let (Say::Hold(_), Operation::Http(request)) = (&said, &operation)
            && request.body == HttpBody::Unread
        {
            self.script.push_front(said);
            return Judgement::ReadBody(Box::new(request.clone()));
        }
        self.asked.push(operation);
        match said {
            Say::Allow => Judgement::Forward(self.pass(false)),
            Say::Mask => Judgement::Forward(self.pass(true)),
            Say::Deny => Judgement::Refuse(denied()),
            Say::Hold(answer) => {
                let pass = self.pass(false);
                let answer = Box::pin(async move {
                    if answer.await.unwrap_or(false) {
                        Ok(pass)
                    } else {
                        Err(denied())
                    }
                });
                Judgement::Hold(Hold {
                    message: "held".to_owned(),
                    answer,
                })
            }
        }
    }

    async fn judge_answer(&mut self, operation: u64, status: u16) -> Result<Pass, Refusal> {
        assert!((1..=self.asked.len() as u64).contains(&operation));
        self.judged_answers.push(status);
        // The log takes its time.
        tokio::task::yield_now().await;
        let said = self.of_answers.iter().find(|(of, _)| *of == status);
        match said.map_or(&Say::Allow, |(_, say)| say) {
            Say::Allow => Ok(self.pass(false)),
            Say::Mask => Ok(self.pass(true)),
            Say::Deny => Err(denied()),
            Say::Hold(_) => panic!("nobody is asked about an answer"),
        }
    }

    fn answered(&mut self, _: u64, answer: Answer) {
        self.answered.extend(answer.status);
    }

    fn masked(&mut self, _: u64, hits: &Hits) {
        self.hits += hits.total();
    }

    fn payload(&mut self, _: u64, _: Direction, masked: &[u8]) {
        self.payload.extend_from_slice(masked);
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.refused.push(refusal.clone());
    }

    fn passed(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Up => self.up += bytes,
            Direction::Down => self.down += bytes,
        }
    }
}

/// One move of a scripted peer.
#[derive(Debug, Clone)]
pub(super) enum Move {
    /// Reads until all that came since the last match holds this.
    Await(&'static str),
    /// Writes this.
    Send(Vec<u8>),
    /// Ends its side.
    End,
    /// Drops the stream.
    Drop,
    /// Does nothing for so many (paused) seconds.
    Sleep(u64),
}

pub(super) fn wait(text: &'static str) -> Move {
    Move::Await(text)
}

pub(super) fn send(bytes: impl AsRef<[u8]>) -> Move {
    Move::Send(bytes.as_ref().to_vec())
}

/// Plays a script, then reads to the end; all that was read.
pub(super) async fn play(mut stream: DuplexStream, script: Vec<Move>) -> Vec<u8> {
    let (mut all, mut seen) = (Vec::new(), 0);
    for step in script {
        match step {
            Move::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            Move::End => drop(stream.shutdown().await),
            Move::Drop => return all,
            Move::Sleep(seconds) => {
                tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            }
            Move::Await(text) => loop {
                let found = all[seen..]
                    .windows(text.len())
                    .position(|w| w == text.as_bytes());
                if let Some(at) = found {
                    seen += at + text.len();
                    break;
                }
                if stream.read_buf(&mut all).await.unwrap_or(0) == 0 {
                    return all;
                }
            },
        }
    }
    let _ = stream.read_to_end(&mut all).await;
    all
}

/// What came of a played connection.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) outcome: Outcome,
    /// What the client read.
    pub(super) client: String,
    /// What the servers read, one a dial.
    pub(super) servers: Vec<String>,
}

/// Plays a client against servers, one script a dial, through the gate.
pub(super) async fn through(
    gate: &mut TestGate,
    client: Vec<Move>,
    servers: Vec<Vec<Move>>,
) -> Played {
    through_cut(gate, client, servers, 64 * 1024).await
}

/// Like [`through`], with pipes that hold `room` bytes.
pub(super) async fn through_cut(
    gate: &mut TestGate,
    client: Vec<Move>,
    servers: Vec<Vec<Move>>,
    room: usize,
) -> Played {
    let (near, far) = duplex(room);
    let local = tokio::task::LocalSet::new();
    let playing = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let tasks = playing.clone();
    let mut scripts: VecDeque<_> = servers.into();
    let dial = async move || {
        let script = scripts
            .pop_front()
            .ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(room);
        tasks
            .borrow_mut()
            .push(tokio::task::spawn_local(play(far, script)));
        Ok(near)
    };
    let (outcome, client) = local
        .run_until(async {
            tokio::join!(serve(near, BytesMut::new(), dial, gate), play(far, client))
        })
        .await;
    let mut servers = Vec::new();
    for task in playing.take() {
        servers.push(text(&local.run_until(task).await.unwrap()));
    }
    Played {
        outcome,
        client: text(&client),
        servers,
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
