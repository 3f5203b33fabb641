use std::net::Ipv4Addr;

use sluice_flow::kernel::JobTag;
use sluice_flow::ports::{Digests, Lineages, Origins, Recorder, SessionLog, Synced};
use sluice_flow::{EventKind, ImageFile, Lineage, NoDigest, ProcessId, SessionId};
use tokio::io::duplex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::*;
use crate::gate::tests::{Fixture, fixture};
use crate::{StaticNames, Upstreams};

/// A kernel side that knows one origin or none, and a recorder that passes on what it gets.
struct Around {
    origin: Option<Origin>,
    told: UnboundedSender<Vec<EventKind>>,
}

impl Origins for Around {
    fn take(&self, _: SocketAddr, _: Transport) -> Option<Origin> {
        self.origin
    }
}

impl Lineages for Around {
    fn lineage(&self, _: ProcessId, _: u32) -> Option<Lineage> {
        None
    }
}

impl Digests for Around {
    fn known(&self, _: &ImageFile) -> Option<String> {
        None
    }

    fn digest(&self, _: ProcessId, _: &ImageFile, _: Instant) -> Result<String, NoDigest> {
        Err(NoDigest::Ended)
    }
}

struct Passing(UnboundedSender<Vec<EventKind>>);

impl Recorder for Around {
    fn session(&self) -> Result<Box<dyn SessionLog>, RecordError> {
        Ok(Box::new(Passing(self.told.clone())))
    }
}

impl SessionLog for Passing {
    fn id(&self) -> SessionId {
        SessionId(Uuid::nil())
    }

    fn append(&mut self, events: Vec<EventKind>) -> Result<u64, RecordError> {
        self.0.send(events).unwrap();
        Ok(0)
    }

    fn later(&mut self, event: EventKind) -> u64 {
        self.0.send(vec![event]).unwrap();
        0
    }

    fn synced(&self) -> Synced {
        Box::pin(async { Ok(()) })
    }
}

fn proxy(origin: Option<Origin>) -> (Arc<Proxy>, UnboundedReceiver<Vec<EventKind>>) {
    let (told, heard) = unbounded_channel();
    let around = Arc::new(Around { origin, told });
    let names = StaticNames::default();
    let proxy = Proxy::new(
        around.clone(),
        around.clone(),
        around.clone(),
        around,
        names,
        Upstreams::default(),
    );
    (Arc::new(proxy), heard)
}

fn origin(job: JobTag) -> Origin {
    Origin {
        cookie: 1,
        destination: "192.0.2.53:53".parse().unwrap(),
        process: ProcessId {
            tgid: 1,
            started: 1,
        },
        ordinal: 1,
        job,
        at: 0,
        incomplete: false,
    }
}

const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01";

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// What the one session of these events was refused for, and where it was to go.
fn refused(events: &[EventKind]) -> (Cause, Option<SocketAddr>) {
    match events {
        [
            EventKind::Opened(opened),
            EventKind::Refused { refusal, .. },
            EventKind::Closed {
                outcome: Outcome::Refused,
                ..
            },
        ] => {
            let to = opened.destination.as_ref().map(Destination::address);
            (refusal.cause, to)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_question_that_is_not_judged_is_on_record_as_refused() {
    let to = Some("192.0.2.53:53".parse().unwrap());
    for (origin, want) in [
        (None, (Cause::NoOrigin, None)),
        (Some(origin(JobTag(7))), (Cause::NoLineage, to)),
    ] {
        let (proxy, mut heard) = proxy(origin);
        let (socket, client) = (loopback(), loopback());
        let server = socket.local_addr().unwrap();
        let client = tokio::net::UdpSocket::from_std(client).unwrap();
        let local = tokio::task::LocalSet::new();
        local.spawn_local(serve_udp(proxy, socket));
        let events = local
            .run_until(async {
                client.send_to(QUESTION, server).await.unwrap();
                heard.recv().await.unwrap()
            })
            .await;
        assert_eq!(refused(&events), want);
        assert!(client.try_recv(&mut [0; 512]).is_err(), "it was answered");
    }
}

#[tokio::test]
async fn a_question_that_is_one_too_many_is_answered_and_on_record() {
    let (proxy, mut heard) = proxy(Some(origin(JobTag(7))));
    let socket = tokio::net::UdpSocket::from_std(loopback()).unwrap();
    let client = tokio::net::UdpSocket::from_std(loopback()).unwrap();
    let peer = client.local_addr().unwrap();
    refuse_overload(&proxy, &socket, peer, QUESTION).await;
    let mut answer = [0; 512];
    let read = client.recv(&mut answer).await.unwrap();
    assert_eq!(answer[3] & 15, 2, "{:?}", &answer[..read]);
    let events = heard.recv().await.unwrap();
    assert_eq!(refused(&events).0, Cause::OverLimit);
}

#[tokio::test]
async fn beyond_the_limit_refused_questions_are_counted() {
    use crate::limits::MAX_REFUSED_QUESTIONS_PER_SECOND as LIMIT;
    let (proxy, mut heard) = proxy(None);
    let peer = "127.0.0.1:9".parse().unwrap();
    for _ in 0..2 * LIMIT {
        assert!(answer_datagram(&proxy, peer, QUESTION).await.is_none());
    }
    let left_out = proxy
        .refusals
        .left_out
        .load(std::sync::atomic::Ordering::Relaxed);
    let mut recorded = 0;
    while heard.try_recv().is_ok() {
        recorded += 1;
    }
    assert!(recorded >= u64::from(LIMIT));
    assert_eq!(recorded + left_out, u64::from(2 * LIMIT));
}

#[tokio::test]
async fn the_probe_leaves_no_session() {
    let (proxy, mut heard) = proxy(Some(origin(JobTag::PROBE)));
    let peer = "127.0.0.1:9".parse().unwrap();
    assert!(answer_datagram(&proxy, peer, QUESTION).await.is_none());
    assert!(heard.try_recv().is_err());
}

/// Serves a client over TCP that says this and then nothing; what was noted as refused.
async fn silent_after(said: &[u8]) -> (io::Result<()>, Vec<Cause>) {
    let (proxy, _heard) = proxy(None);
    let Fixture {
        mut gate, memory, ..
    } = fixture("  - { name: names, what: { protocol: dns }, then: allow }");
    let (mut client, near) = duplex(1 << 17);
    client.write_all(said).await.unwrap();
    // It stays open: only time ends it.
    let served = serve_tcp(&proxy, near, &mut gate).await;
    drop(client);
    let events = memory.events.lock().unwrap();
    let causes = events.iter().filter_map(|event| match event {
        EventKind::Refused { refusal, .. } => Some(refusal.cause),
        _ => None,
    });
    (served, causes.collect())
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_nothing_is_asked_ends() {
    let (served, refused) = silent_after(b"").await;
    assert!(
        served.is_ok() && refused.is_empty(),
        "{served:?} {refused:?}"
    );
    // The first byte of a length, a length, half a question.
    for said in [&b"\0"[..], b"\0\x1d", b"\0\x1d\x12\x34\x01"] {
        let (served, refused) = silent_after(said).await;
        assert!(served.is_err(), "{said:?}");
        assert_eq!(refused, [Cause::ClientBroken], "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_answer_the_wait_begins_anew() {
    let question = framed(QUESTION).unwrap();
    let (served, refused) = silent_after(&question).await;
    assert!(served.is_ok(), "{served:?}");
    // There is no server to ask.
    assert_eq!(refused, [Cause::UpstreamUnreachable]);
}
