//! What a client says reaches the server only after it was allowed, as it came and in its order,
//! however it is cut and whatever else the client says; and the session ends.
//!
//! The input: how it is cut, what the gate says, how the client behaves (the constants below),
//! and what the client says.
#![no_main]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::Cuts;
use sluice_fuzz::postgres::{REFUSED_STATEMENT, frames, greeting, message, script, startup};
use sluice_fuzz::session::{Judged, Log, ToldGate, quiet, run};
use sluice_protocols::postgres::codec::{Header, Reader};
use sluice_protocols::postgres::startup::{Opened, Opening, opening};
use sluice_protocols::postgres::{Cancels, Facts, looks_like, serve};
use sluice_protocols::sql::{Acts, ParseCache, analyse};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// The client's bytes are the input's own, startup packet and all.
const RAW: u8 = 1;
/// The client waits for its answers before it goes on.
const STEPS: u8 = 2;
/// The server wants a password.
const PASSWORD: u8 = 4;
/// The client does not say goodbye: it drops its connection.
const RESETS: u8 = 8;

/// A server waits so long for its clients (authentication_timeout).
const PATIENCE: Duration = Duration::from_secs(60);

static CACHE: LazyLock<ParseCache> = LazyLock::new(ParseCache::default);

fuzz_target!(|input: &[u8]| {
    let [cuts, told, how, said @ ..] = input else {
        return;
    };
    let said = if how & RAW == RAW {
        vec![said.to_vec()]
    } else {
        let mut all = vec![startup()];
        all.extend(script(said));
        all
    };
    let stream = said.concat();
    opens_as_it_looks(&stream);
    let log = Log::default();
    let gate = ToldGate {
        told: *told,
        masker: None,
        record_payload: false,
        log: Rc::clone(&log),
    };
    let reached = run(session(gate, said, Cuts::new(*cuts), *how));
    only_what_was_allowed(&stream, &reached, &log.borrow());
});

/// What is taken for a startup packet is none that is refused for its first bytes only later.
fn opens_as_it_looks(stream: &[u8]) {
    let opened = opening(stream);
    if let Ok(Opened::Packet(_, length)) = opened {
        assert_eq!(looks_like(stream), Some(true));
        for end in 0..length.min(64) {
            assert!(matches!(opening(&stream[..end]), Ok(Opened::Need(need)) if need > end));
        }
    }
    if looks_like(stream) == Some(false) {
        assert!(!matches!(opened, Ok(Opened::Packet(..))));
    }
}

/// All that reached the server.
async fn session(mut gate: ToldGate, said: Vec<Vec<u8>>, cuts: Cuts, how: u8) -> Vec<u8> {
    let (near_client, far_client) = duplex(1 << 16);
    let (near_server, far_server) = duplex(1 << 16);
    let (cancels, reached) = (Cancels::default(), RefCell::default());
    let facts = Facts {
        cache: &CACHE,
        cancels: &cancels,
        columns_masked: false,
    };
    let log = Rc::clone(&gate.log);
    let _ = tokio::join!(
        serve(near_client, near_server, &mut gate, &[], facts),
        client(far_client, said, cuts, how, (&log, &reached)),
        server(far_server, how, &reached),
    );
    reached.into_inner()
}

async fn client(
    stream: DuplexStream,
    said: Vec<Vec<u8>>,
    cuts: Cuts,
    how: u8,
    (log, reached): (&Log, &RefCell<Vec<u8>>),
) {
    let (mut from, mut to) = tokio::io::split(stream);
    let reads = async {
        let mut heard = Vec::new();
        let _ = from.read_to_end(&mut heard).await;
    };
    let writes = async {
        for message in said {
            let (asked, before) = (log.borrow().len(), reached.borrow().len());
            for chunk in cuts.of(&message) {
                if to.write_all(chunk).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if how & STEPS == STEPS {
                quiet().await;
                nothing_refused_passed(&log.borrow()[asked..], &reached.borrow()[before..]);
            }
        }
        if how & RESETS == 0 {
            let _ = to.shutdown().await;
        }
    };
    if how & RESETS == RESETS {
        writes.await;
    } else {
        tokio::join!(reads, writes);
    }
}

/// Of the one message that was refused nothing went to the server.
fn nothing_refused_passed(judged: &[Judged], reached: &[u8]) {
    let [one] = judged else {
        return;
    };
    if one.allowed == Some(false) {
        let (whole, _) = frames(reached);
        let passed = whole.iter().find(|(head, body, _)| {
            matches!(head.kind, b'Q' | b'P' | b'F') && !is_ours(*head, body)
        });
        assert!(passed.is_none(), "{passed:?} was refused");
    }
}

/// Whether a message stands for a refused one.
fn is_ours(head: Header, body: &[u8]) -> bool {
    text_of(head, body) == Some(REFUSED_STATEMENT)
}

/// The SQL of a message.
fn text_of(head: Header, body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(head.kind, body);
    match head.kind {
        b'Q' => reader.string().ok(),
        b'P' => reader.string().and_then(|_| reader.string()).ok(),
        _ => None,
    }
}

fn only_what_was_allowed(said: &[u8], reached: &[u8], judged: &[Judged]) {
    if reached.is_empty() {
        return;
    }
    let said = behind_requests(said);
    let Ok(Opened::Packet(Opening::Startup(_), length)) = opening(said) else {
        panic!("the server was reached without a startup packet");
    };
    let (first, reached) = reached.split_at(length.min(reached.len()));
    assert_eq!(first, &said[..length], "another startup packet");
    let (mine, my_rest) = frames(&said[length..]);
    let (theirs, their_rest) = frames(reached);
    let mut mine = mine.into_iter().map(|(_, _, frame)| frame).chain([my_rest]);
    let mut allowed = judged.iter().filter(|judged| judged.allowed == Some(true));
    for (head, body, frame) in theirs {
        if is_ours(head, body) {
            continue;
        }
        assert!(mine.any(|said| said == frame), "{frame:?} was not said");
        let via = match head.kind {
            b'Q' => "query",
            b'P' => "execute",
            b'F' => "function call",
            _ => continue,
        };
        let texts = texts_of(head, body);
        let found = allowed.any(|judged| {
            judged.via == via && texts.as_ref().is_none_or(|texts| *texts == judged.texts)
        });
        assert!(found, "{frame:?} was not allowed");
    }
    assert!(mine.any(|said| said.starts_with(their_rest)) || their_rest.is_empty());
    executes_only_what_was_allowed(reached, judged);
}

/// Where nothing at all was allowed, nothing runs.
fn executes_only_what_was_allowed(reached: &[u8], judged: &[Judged]) {
    if judged.iter().any(|judged| judged.allowed == Some(true)) {
        return;
    }
    let (theirs, _) = frames(reached);
    for (head, _, frame) in theirs {
        assert!(head.kind != b'E', "{frame:?} runs what nobody allowed");
    }
}

/// The statements that the gate must have been asked about.
fn texts_of(head: Header, body: &[u8]) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(text_of(head, body)?).into_owned();
    let statements = match text_of(head, body).map(std::str::from_utf8) {
        Some(Ok(text)) => analyse(text),
        _ => return Some(vec![text]),
    };
    if statements.is_empty() {
        return Some(vec![String::new()]);
    }
    Some(statements.into_iter().map(|s| s.statement.text).collect())
}

/// The stream behind what asks for encryption, which the gate answers itself.
fn behind_requests(mut said: &[u8]) -> &[u8] {
    while let Ok(Opened::Packet(Opening::Ssl | Opening::Gss, length)) = opening(said) {
        said = &said[length..];
    }
    said
}

/// A server that answers everything, as far as it has a form.
async fn server(mut stream: DuplexStream, how: u8, reached: &RefCell<Vec<u8>>) {
    let mut answers = Answers {
        wants_password: how & PASSWORD == PASSWORD,
        ..Answers::default()
    };
    let mut chunk = [0; 4096];
    while let Ok(Ok(count @ 1..)) = timeout(PATIENCE, stream.read(&mut chunk)).await {
        reached.borrow_mut().extend_from_slice(&chunk[..count]);
        answers.unread.extend_from_slice(&chunk[..count]);
        let answer = answers.next();
        if stream.write_all(&answer).await.is_err() || answers.closed {
            return;
        }
    }
}

#[derive(Default)]
struct Answers {
    unread: Vec<u8>,
    started: bool,
    wants_password: bool,
    closed: bool,
    in_block: bool,
    /// COPY data comes.
    copying: bool,
    /// Up to the next Sync.
    failed: bool,
}

impl Answers {
    fn next(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut unread = std::mem::take(&mut self.unread);
        if !self.started {
            match opening(&unread) {
                Ok(Opened::Packet(Opening::Startup(_), length)) => {
                    self.started = true;
                    unread.drain(..length);
                    match self.wants_password {
                        true => out.extend(message(b'R', &[0, 0, 0, 3])),
                        false => out.extend(greeting()),
                    }
                }
                Ok(Opened::Need(_)) => {}
                Ok(Opened::Packet(..)) | Err(_) => self.closed = true,
            }
        }
        if self.started {
            let (whole, rest) = frames(&unread);
            for (head, body, _) in whole {
                self.answer(head, body, &mut out);
            }
            unread = rest.to_vec();
        }
        self.unread = unread;
        out
    }

    fn answer(&mut self, head: Header, body: &[u8], out: &mut Vec<u8>) {
        if self.copying && self.copied(head.kind, out) {
            return;
        }
        if self.failed && !matches!(head.kind, b'S' | b'X') {
            return;
        }
        match head.kind {
            b'p' if std::mem::take(&mut self.wants_password) => out.extend(greeting()),
            b'Q' | b'P' if is_ours(head, body) => {
                self.fail(out);
                self.failed = head.kind == b'P';
                if head.kind == b'Q' {
                    self.ready(out);
                }
            }
            b'Q' => self.query(text_of(head, body).unwrap_or_default(), out),
            b'P' => out.extend(message(b'1', b"")),
            b'B' => out.extend(message(b'2', b"")),
            b'C' => out.extend(message(b'3', b"")),
            b'D' => {
                if body.first() == Some(&b'S') {
                    out.extend(message(b't', &[0, 0]));
                }
                out.extend(message(b'n', b""));
            }
            b'E' => out.extend(message(b'C', b"SELECT 0\0")),
            b'F' => {
                out.extend(message(b'V', &[0xff; 4]));
                self.ready(out);
            }
            b'S' => {
                self.failed = false;
                self.ready(out);
            }
            b'X' => self.closed = true,
            _ => {}
        }
    }

    fn query(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let statements = std::str::from_utf8(text).map(analyse).unwrap_or_default();
        if statements.is_empty() {
            out.extend(message(b'I', b""));
        }
        for statement in statements {
            match statement.statement.kind.as_str() {
                "begin" => self.in_block = true,
                "commit" | "rollback" => self.in_block = false,
                _ => {}
            }
            if matches!(statement.acts, Acts::CopiesIn) {
                out.extend(message(b'G', &[0, 0, 0]));
                self.copying = true;
                return;
            }
            out.extend(message(b'C', b"DONE\0"));
        }
        self.ready(out);
    }

    fn copied(&mut self, kind: u8, out: &mut Vec<u8>) -> bool {
        match kind {
            b'c' => out.extend(message(b'C', b"COPY 0\0")),
            b'f' => self.fail(out),
            b'X' => return false,
            _ => return true,
        }
        self.copying = false;
        self.ready(out);
        true
    }

    fn fail(&mut self, out: &mut Vec<u8>) {
        out.extend(message(b'E', b"SERROR\0C42601\0Msyntax error\0\0"));
    }

    fn ready(&self, out: &mut Vec<u8>) {
        out.extend(message(b'Z', if self.in_block { b"T" } else { b"I" }));
    }
}
