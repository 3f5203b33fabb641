//! Of what a client says exactly the requests that were allowed reach the server, byte for byte,
//! and the connection ends.
//!
//! The input: how it is cut, what the gate says, and what the client says.
#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::session::{Log, ToldGate, quiet, run};
use sluice_fuzz::{Cuts, http};
use sluice_protocols::http::frames::Frames;
use sluice_protocols::http::request::{RequestHead, Upgrade};
use sluice_protocols::http::scan::{HeadScan, Scanned};
use sluice_protocols::http::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local, yield_now};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let [cuts, told, said @ ..] = input else {
        return;
    };
    let log = Log::default();
    let gate = ToldGate {
        told: *told,
        masker: None,
        record_payload: false,
        log: Rc::clone(&log),
    };
    let reached = run(session(gate, said, Cuts::new(*cuts)));
    let verdicts: Vec<_> = log.borrow().iter().map(|judged| judged.allowed).collect();
    let expected = allowed(said, &verdicts);
    let same = reached.len().min(expected.bytes.len());
    assert!(
        reached[..same] == expected.bytes[..same],
        "{:?} reached the server",
        String::from_utf8_lossy(&reached)
    );
    assert!(
        same == reached.len() || expected.changes,
        "more than was said"
    );
    assert!(same >= expected.at_least, "a request was lost");
});

/// All that reached servers, one connection after the other.
async fn session(mut gate: ToldGate, said: &[u8], cuts: Cuts) -> Vec<u8> {
    let (near, far) = duplex(1 << 16);
    let reached: Rc<RefCell<Vec<u8>>> = Rc::default();
    let of_servers = Rc::clone(&reached);
    let dial = async move || {
        let (near, far) = duplex(1 << 16);
        spawn_local(server(far, Rc::clone(&of_servers)));
        Ok(near)
    };
    let local = LocalSet::new();
    let both = async {
        tokio::join!(
            serve(near, bytes::BytesMut::new(), dial, &mut gate),
            client(far, said, cuts)
        )
    };
    local.run_until(both).await;
    local.await;
    reached.take()
}

async fn client(stream: DuplexStream, said: &[u8], cuts: Cuts) {
    let (mut from, mut to) = tokio::io::split(stream);
    let reads = async {
        let mut heard = Vec::new();
        let _ = from.read_to_end(&mut heard).await;
    };
    let writes = async {
        for chunk in cuts.of(said) {
            if to.write_all(chunk).await.is_err() {
                return;
            }
            yield_now().await;
        }
        // Who is held goes when the client does.
        quiet().await;
        let _ = to.shutdown().await;
    };
    tokio::join!(reads, writes);
}

/// Answers each request when all of it is there.
async fn server(mut stream: DuplexStream, reached: Rc<RefCell<Vec<u8>>>) {
    let (mut unread, mut body) = (Vec::new(), None);
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        reached.borrow_mut().extend_from_slice(&chunk[..count]);
        unread.extend_from_slice(&chunk[..count]);
        let answer = answer(&mut unread, &mut body);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer(unread: &mut Vec<u8>, body: &mut Option<Frames>) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        if let Some(frames) = body {
            let read = frames.measure(unread).expect("a body that the gate read");
            unread.drain(..read);
            if !frames.is_done() {
                return out;
            }
            out.extend_from_slice(OK);
            *body = None;
        }
        let found = HeadScan::default()
            .scan(unread)
            .expect("a head that the gate read");
        let Scanned::Head(length) = found else {
            return out;
        };
        let (_, head) = RequestHead::parse(&unread[..length]).expect("the same head");
        unread.drain(..length);
        if head.expects_continue {
            out.extend_from_slice(CONTINUE);
        }
        *body = Some(Frames::of(head.body));
    }
}

/// What may reach the server.
#[derive(Default)]
struct Expected {
    bytes: Vec<u8>,
    /// So many of them must.
    at_least: usize,
    /// What follows is not as the client said it.
    changes: bool,
}

fn allowed(mut said: &[u8], verdicts: &[Option<bool>]) -> Expected {
    let mut expected = Expected::default();
    let (mut verdicts, mut all_passed) = (verdicts.iter(), true);
    loop {
        if let Ok(Scanned::EmptyLine) = HeadScan::default().scan(said) {
            said = &said[2..];
        }
        let Ok(Scanned::Head(length)) = HeadScan::default().scan(said) else {
            return expected;
        };
        let Ok((_, head)) = RequestHead::parse(&said[..length]) else {
            return expected;
        };
        if head.upgrade == Upgrade::TakenOff {
            expected.changes = true;
            return expected;
        }
        let mut may_pass = verdicts.next() == Some(&Some(true));
        if may_pass && matches!(head.upgrade, Upgrade::To(_)) {
            may_pass = verdicts.next() == Some(&Some(true));
        }
        let body = http::body(Frames::of(head.body), [&said[length..]].into_iter());
        let whole = body.as_ref().is_ok_and(|body| body.done);
        // Of a body that breaks off, or that breaks the rules, the beginning passes.
        let end = match &body {
            Ok(body) => length + body.used,
            Err(_) => said.len(),
        };
        if may_pass {
            expected.bytes.extend_from_slice(&said[..end]);
        }
        all_passed &= may_pass && whole;
        if all_passed {
            expected.at_least = expected.bytes.len();
        }
        if !whole || !head.keep_alive {
            return expected;
        }
        said = &said[end..];
    }
}
