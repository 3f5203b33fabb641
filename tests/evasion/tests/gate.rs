//! The gate's own listeners: not to be dialled by members, not to be bound by anybody, and who
//! dials them from elsewhere is refused and recorded. And members that listen themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use sluice_evasion::{CLOSED, Namespace, python, refusals, vector};
use sluice_harness::{Sluice, cannot_capture, skipped};

const ALL: &str = "version: 1\nname: all\ndefault: allow\nrules: []\n";

fn gate_ports<'a>(script: &'a str, act: &'a str) -> [&'a str; 7] {
    [python(), "-B", script, "-", "0", "-", act]
}

/// Every line of `act` on the gate's ports, under a policy that allows everything.
fn outcomes(sluice: &Sluice, act: &str) -> Vec<String> {
    let script = vector("gate_ports").to_string_lossy().into_owned();
    let job = sluice
        .run_with(ALL, &[], &gate_ports(&script, act))
        .unwrap();
    assert_eq!(job.status, 0, "{job:?}");
    job.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_member_cannot_dial_the_gate_on_any_local_address() {
    if let Some(why) = cannot_capture() {
        return skipped("a_member_cannot_dial_the_gate_on_any_local_address", why);
    }
    let sluice = Sluice::new().unwrap();
    let outcomes = outcomes(&sluice, "dial");
    assert_eq!(outcomes.len(), 16, "{outcomes:?}");
    let out: Vec<_> = outcomes
        .iter()
        .filter(|line| !line.ends_with(" EPERM"))
        .collect();
    assert!(out.is_empty(), "{out:?}");
    let refusals = refusals(&sluice).unwrap();
    assert_eq!(refusals.len(), 16, "{refusals:?}");
    assert!(
        refusals.iter().all(|e| e["kernel"]["reason"] == "forged"),
        "{refusals:?}"
    );
}

#[test]
fn nobody_takes_part_in_the_gates_ports() {
    if let Some(why) = cannot_capture() {
        return skipped("nobody_takes_part_in_the_gates_ports", why);
    }
    let outcomes = outcomes(&Sluice::new().unwrap(), "bind");
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
    for line in &outcomes {
        assert!(line.ends_with(" EADDRINUSE"), "{outcomes:?}");
    }
}

/// A job that runs until its standard input is closed, and what it said until then.
struct Waiting {
    run: Child,
    lines: BufReader<ChildStdout>,
}

impl Waiting {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut run = command.spawn().unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap());
        Self { run, lines }
    }

    /// The same in a network of its own, gate and all.
    fn start_in(home: &Namespace, command: &mut Command) -> Self {
        home.within(|| Ok(Self::start(command))).unwrap()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ends(mut self) -> Vec<String> {
        drop(self.run.stdin.take());
        let rest = self.lines.lines().map(Result::unwrap).collect();
        assert!(self.run.wait().unwrap().success());
        rest
    }
}

#[test]
fn a_stranger_who_dials_the_gate_is_refused_and_recorded() {
    if let Some(why) = cannot_capture() {
        return skipped("a_stranger_who_dials_the_gate_is_refused_and_recorded", why);
    }
    let sluice = Sluice::new().unwrap();
    let script = vector("gate_ports").to_string_lossy().into_owned();
    let mut run = sluice
        .run_command(ALL, &["--quiet"], &gate_ports(&script, "wait"))
        .unwrap();
    let mut job = Waiting::start(&mut run);
    let mut datagrams = Vec::new();
    for _ in 0..4 {
        let line = job.line();
        let (name, port) = line.split_once(' ').unwrap();
        let port: u16 = port.parse().unwrap();
        let address: IpAddr = match name.ends_with('4') {
            true => Ipv4Addr::LOCALHOST.into(),
            false => Ipv6Addr::LOCALHOST.into(),
        };
        if name.starts_with("tcp") {
            let mut stranger = TcpStream::connect((address, port)).unwrap();
            let mut answer = Vec::new();
            // Whichever call comes after the reset tells of it.
            let said = stranger.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
            let heard = said.and_then(|()| stranger.read_to_end(&mut answer));
            let reset = heard.unwrap_err().kind();
            assert!(
                matches!(reset, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                "{reset}"
            );
            assert_eq!(answer, b"");
        } else {
            let stranger = UdpSocket::bind((address, 0)).unwrap();
            stranger.send_to(QUESTION, (address, port)).unwrap();
            datagrams.push(stranger);
        }
    }
    assert_eq!(job.line(), "ready");
    job.ends();
    for stranger in datagrams {
        // The gate is gone: what it did not answer by now it never will.
        stranger.set_nonblocking(true).unwrap();
        assert!(
            stranger.recv_from(&mut [0; 512]).is_err(),
            "the resolver serves strangers"
        );
    }
    let sessions = sluice.sessions().unwrap();
    let forged: Vec<_> = sessions.iter().filter(|s| s["job"].is_null()).collect();
    assert!(forged.len() >= 2, "{sessions:?}");
    for session in forged {
        let events = sluice.events(session).unwrap();
        assert!(
            events.iter().any(|e| e["cause"] == "no_origin"),
            "{events:?}"
        );
    }
}

/// A question for the address of localhost, as RFC 1035 section 4 has it.
const QUESTION: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x09localhost\0\0\x01\0\x01";

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn listens<'a>(script: &'a str, word: &'a str, kind: &'a str) -> [&'a str; 7] {
    [python(), "-B", script, "-", "0", word, kind]
}

/// Dials a listener from outside; what it was given there.
fn given(outside: &Namespace, port: u16) -> String {
    let mut said = String::new();
    if let Ok(mut stream) = outside.dial(HERE, port) {
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let _ = stream.read_to_string(&mut said);
    }
    said
}

#[test]
fn a_listener_gives_nothing_to_whoever_dials_in() {
    if let Some(why) = cannot_capture() {
        return skipped("a_listener_gives_nothing_to_whoever_dials_in", why);
    }
    let (home, outside) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    home.wire(HERE, &outside, OUTSIDE).unwrap();
    let script = vector("listens").to_string_lossy().into_owned();
    let line = listens(&script, "word", "tcp");
    let mut open = Waiting::start_in(&home, Command::new(line[0]).args(&line[1..]));
    let port = open.line().parse().unwrap();
    assert_eq!(given(&outside, port), "word");
    assert_eq!(open.ends(), ["out"]);

    let sluice = Sluice::new().unwrap();
    let mut run = sluice.run_command(CLOSED, &["--quiet"], &line).unwrap();
    let mut job = Waiting::start_in(&home, &mut run);
    let port = job.line().parse().unwrap();
    assert_eq!(given(&outside, port), "");
    assert_eq!(job.ends(), ["nobody"]);
    let refusals = refusals(&sluice).unwrap();
    let stray = |e: &serde_json::Value| {
        e["kernel"]["hook"] == "egress" && e["kernel"]["reason"] == "stray_packet"
    };
    assert!(refusals.iter().any(stray), "{refusals:?}");
}

#[test]
fn a_datagram_from_outside_is_not_answered() {
    if let Some(why) = cannot_capture() {
        return skipped("a_datagram_from_outside_is_not_answered", why);
    }
    let (home, outside) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    home.wire(HERE, &outside, OUTSIDE).unwrap();
    let script = vector("listens").to_string_lossy().into_owned();
    let line = listens(&script, "word", "udp");
    let caller = outside
        .within(|| Ok(UdpSocket::bind((OUTSIDE, 0))?))
        .unwrap();
    caller
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut open = Waiting::start_in(&home, Command::new(line[0]).args(&line[1..]));
    let port: u16 = open.line().parse().unwrap();
    caller.send_to(b"?", (HERE, port)).unwrap();
    let mut answer = [0; 16];
    assert_eq!(caller.recv(&mut answer).unwrap(), 4);
    assert_eq!(open.ends(), ["out"]);

    let sluice = Sluice::new().unwrap();
    let mut run = sluice.run_command(CLOSED, &["--quiet"], &line).unwrap();
    let mut job = Waiting::start_in(&home, &mut run);
    let port: u16 = job.line().parse().unwrap();
    caller.send_to(b"?", (HERE, port)).unwrap();
    assert_eq!(job.ends(), ["EPERM"]);
    caller.set_nonblocking(true).unwrap();
    assert!(caller.recv(&mut answer).is_err());
    let refusals = refusals(&sluice).unwrap();
    assert!(
        refusals.iter().any(|e| e["kernel"]["hook"] == "sendmsg4"),
        "{refusals:?}"
    );
}
