//! How fast the log takes events: `append [SESSIONS] [THREADS] [DIR]`.
//!
//! Every session is opened, asks for 100 operations (each with its verdict in one append, as
//! the gate does, then its answer), and is closed. Prints events/s and MB/s of the log.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sluice_flow::ports::Recorder as _;
use sluice_flow::session::{OperationRecord, Outcome};
use sluice_flow::verdict::Payload;
use sluice_flow::{Decision, EventKind, Lineage, RuleRef, SessionOpened, Verdict};
use sluice_store::{Options, Store};

const OPERATIONS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sessions: u64 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let threads: u64 = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let dir = arguments
        .next()
        .map_or(temporary.path().to_owned(), PathBuf::from);
    run(&dir, sessions, threads)
}

fn run(dir: &Path, sessions: u64, threads: u64) -> Result<(), Box<dyn Error>> {
    let store = Store::open(dir, Options::default())?;
    let before = store.usage()?.log;
    let started = Instant::now();
    let spent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    (0..sessions / threads).try_for_each(|_| session(&store))?;
                    cpu_time()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
            .collect::<Result<Vec<_>, String>>()
    })?;
    let elapsed = started.elapsed();
    let events = (sessions / threads) * threads * (2 + 3 * OPERATIONS);
    let bytes = store.usage()?.log - before;
    let spent: Duration = spent.into_iter().sum();
    println!(
        "{events} events, {} bytes an event, {threads} threads: {:.0} events/s, {:.1} MB/s, {:.2} us of CPU an event",
        bytes / events.max(1),
        events as f64 / elapsed.as_secs_f64(),
        bytes as f64 / 1e6 / elapsed.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / events as f64,
    );
    let closing = Instant::now();
    drop(store);
    println!(
        "closed (index taken in, synced) in {:.2} s",
        closing.elapsed().as_secs_f64()
    );
    let verifying = Instant::now();
    println!("{}", sluice_store::verify(dir)?);
    println!("verified in {:.2} s", verifying.elapsed().as_secs_f64());
    Ok(())
}

/// What this thread used of its CPU: a busy machine does not change it much.
fn cpu_time() -> Result<Duration, String> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    nanos
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("{path}: {text}"))
}

/// One session.
fn session(store: &Store) -> Result<(), String> {
    let mut log = store.session().map_err(|error| error.to_string())?;
    let mut append = |events| log.append(events).map_err(|error| error.to_string());
    append(vec![opened()])?;
    for _ in 0..OPERATIONS {
        let operation = append(vec![operation(), verdict()])?;
        append(vec![EventKind::Answered {
            operation,
            status: None,
            tag: Some("SELECT 1".to_owned()),
            rows: Some(1),
        }])?;
    }
    append(vec![EventKind::Closed {
        outcome: Outcome::Closed,
        bytes_up: 1,
        bytes_down: 1,
    }])?;
    Ok(())
}

fn opened() -> EventKind {
    EventKind::Opened(Box::new(SessionOpened {
        job: None,
        destination: None,
        peer: std::net::SocketAddr::from(([127, 0, 0, 1], 40000)),
        lineage: Lineage::default(),
        keep: None,
    }))
}

fn operation() -> EventKind {
    EventKind::Operation(Box::new(OperationRecord {
        protocol: "postgres".to_owned(),
        digest: "0123456789abcdef".repeat(4),
        statement: Some("SELECT abalance FROM pgbench_accounts WHERE aid = 4711".to_owned()),
        tables: Some(vec!["pgbench_accounts".to_owned()]),
        ..OperationRecord::default()
    }))
}

fn verdict() -> EventKind {
    EventKind::Verdict {
        operation: 1,
        status: None,
        verdict: "allow".to_owned(),
        because: Box::new(Verdict {
            decision: Decision::Allow,
            would_be: None,
            rules: vec![RuleRef {
                policy: "bench".to_owned(),
                rule: "read".to_owned(),
            }],
            digest: "0123456789abcdef".repeat(4),
            layer: "host".to_owned(),
            expected: false,
            sync: false,
            payload: Payload::Statements,
            message: String::new(),
        }),
    }
}
