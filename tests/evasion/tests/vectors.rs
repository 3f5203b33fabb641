//! Every way out that we know of: with protection off it reaches the sink, behind the gate it
//! does not, and the record tells of the attempt.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use sluice_evasion::{
    CLOSED, Giver, Kind, Namespace, Sink, cgroup_root, direct, job, leaf, outcome, python, refusals,
};
use sluice_harness::{Sluice, cannot_capture, skipped};

/// How an attempt ends behind the gate.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The kernel refuses it, with EPERM: (hook, reason) of its record.
    Blocked(&'static str, &'static str),
    /// It comes to the proxy, which refuses it by the policy and resets it.
    Proxied,
    /// The gate's own resolver answers, with this.
    Resolved(&'static str),
}

/// A way out.
struct Way<'a> {
    name: &'a str,
    sink: Sink,
    more: Vec<&'a str>,
    end: End,
}

impl<'a> Way<'a> {
    fn new(name: &'a str, kind: Kind, end: End) -> Self {
        Self {
            name,
            sink: Sink::open(kind, 0).unwrap(),
            more: Vec::new(),
            end,
        }
    }

    fn with(mut self, more: &[&'a str]) -> Self {
        self.more.extend(more);
        self
    }

    /// The whole proof.
    fn stays_shut(self) {
        let Self { name, .. } = self;
        if let Some(why) = cannot_capture() {
            return skipped(name, why);
        }
        let open = direct(name, &self.sink, "word-off", &self.more).unwrap();
        if let Some(why) = open.strip_prefix("cannot: ") {
            return skipped(name, why);
        }
        self.sink.must_see("word-off").unwrap();
        self.sink.so_far().unwrap();

        let sluice = Sluice::new().unwrap();
        let job = job(&sluice, CLOSED, name, &self.sink, "word-on", &self.more).unwrap();
        self.sink.must_have_seen_nothing("word-on").unwrap();
        assert_eq!(job.status, 0, "{job:?}");
        let said = outcome(&job.stdout);
        println!("{name}: off {open}, on {said}, {:?}", self.end);
        match self.end {
            End::Blocked(hook, reason) => {
                assert_eq!(said, "EPERM", "{job:?}");
                blocked(&sluice, hook, reason);
            }
            End::Proxied => {
                assert_eq!(said, "ECONNRESET", "{job:?}");
                proxied(&sluice, self.sink.port());
            }
            End::Resolved(answer) => {
                assert_eq!(said, answer, "{job:?}");
                proxied(&sluice, self.sink.port());
            }
        }
    }
}

/// A refusal of the kernel is on record, with who did it.
fn blocked(sluice: &Sluice, hook: &str, reason: &str) {
    let refusals = refusals(sluice).unwrap();
    let found = refusals
        .iter()
        .any(|e| e["kernel"]["hook"] == hook && e["kernel"]["reason"] == reason);
    assert!(found, "{hook} {reason} is not in {refusals:?}");
    sluice.sessions().unwrap().iter().for_each(well_attributed);
}

/// A denied flow to that port is on record, with who did it.
fn proxied(sluice: &Sluice, port: u16) {
    let sessions = sluice.sessions().unwrap();
    let found = sessions
        .iter()
        .any(|s| s["verdict"] == "deny" && s["destination"]["port"] == port);
    assert!(found, "{sessions:?}");
    sessions.iter().for_each(well_attributed);
}

fn well_attributed(session: &Value) {
    assert_eq!(session["job"]["name"], "run", "{session}");
    assert_eq!(session["lineage_complete"], true, "{session}");
    let image = leaf(session).unwrap();
    for name in [&image["exe"], &image["argv"][0]] {
        assert!(name.as_str().unwrap().starts_with(python()), "{session}");
    }
}

/// Ways that need nothing but a sink: a test each.
// table: a test a row.
macro_rules! ways {
    ($($name:ident: $kind:ident => $end:expr;)*) => {
        $(#[test]
        fn $name() {
            Way::new(stringify!($name), Kind::$kind, $end).stays_shut();
        })*
    };
}

ways! {
    tcp4: Tcp4 => End::Proxied;
    tcp_nonblocking: Tcp4 => End::Proxied;
    tcp_again: Tcp4 => End::Proxied;
    tcp_bound: Tcp4 => End::Proxied;
    tcp6: Tcp6 => End::Proxied;
    tcp6_mapped: Tcp4 => End::Proxied;
    fast_open_message: Tcp4 => End::Proxied;
    fast_open_connect: Tcp4 => End::Proxied;
    tcp_zerocopy: Tcp4 => End::Proxied;
    tcp_marked: Tcp4 => End::Proxied;
    tcp_transparent: Tcp4 => End::Proxied;
    mptcp: Tcp4 => End::Proxied;
    renamed: Tcp4 => End::Proxied;
    udp_sendto: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_sendmsg: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_sendmmsg: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_cork: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_connected: Udp4 => End::Blocked("connect4", "udp");
    udp_connected_elsewhere: Udp4 => End::Blocked("sendmsg4", "udp");
    udp_again: Udp4 => End::Blocked("connect4", "udp");
    udp_unspec: Udp4 => End::Blocked("sendmsg4", "udp");
    udp6: Udp6 => End::Blocked("sendmsg6", "udp");
    udp6_mapped: Udp4 => End::Blocked("sendmsg6", "udp");
    udp6_sockaddr4: Udp4 => End::Blocked("sendmsg6", "udp");
    udplite: UdpLite => End::Blocked("sock_create", "socket_kind");
    raw4: Raw4 => End::Blocked("sock_create", "socket_kind");
    raw4_header: Udp4 => End::Blocked("sock_create", "socket_kind");
    raw6: Raw6 => End::Blocked("sock_create", "socket_kind");
    icmp_raw: Icmp => End::Blocked("sock_create", "socket_kind");
    icmp_datagram: Icmp => End::Blocked("sock_create", "socket_kind");
    spawned: Tcp4 => End::Proxied;
    pid_namespace: Tcp4 => End::Proxied;
    thread: Tcp4 => End::Proxied;
    io_uring: Tcp4 => End::Proxied;
    io_uring_raw: Raw4 => End::Blocked("sock_create", "socket_kind");
}

#[test]
fn io_uring_with_a_kernel_thread() {
    let way = Way::new("io_uring", Kind::Tcp4, End::Proxied);
    way.with(&["sqpoll"]).stays_shut();
}

#[test]
fn leaves_cgroup() {
    let way = Way::new("leaves_cgroup", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

#[test]
fn clone_into_cgroup() {
    let way = Way::new("clone_into_cgroup", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

#[test]
fn double_fork() {
    let way = Way::new("double_fork", Kind::Tcp4, End::Proxied);
    way.with(&[cgroup_root()]).stays_shut();
}

#[test]
fn tcp_unspecified() {
    let here = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for (kind, address) in [Kind::Tcp4, Kind::Tcp6].into_iter().zip(here) {
        let way = Way {
            name: "tcp_unspecified",
            sink: Sink::open_at(kind, address, 0).unwrap(),
            more: Vec::new(),
            end: End::Proxied,
        };
        way.stays_shut();
    }
}

#[test]
fn scm_rights_tcp() {
    let place = Sluice::new().unwrap();
    let giver = Giver::start(place.scratch(), "tcp", None).unwrap();
    let way = Way::new("scm_rights", Kind::Tcp4, End::Proxied);
    way.with(&[&giver.door]).stays_shut();
}

#[test]
fn scm_rights_udp() {
    let place = Sluice::new().unwrap();
    let giver = Giver::start(place.scratch(), "udp", None).unwrap();
    let end = End::Blocked("connect4", "udp");
    Way::new("scm_rights", Kind::Udp4, end)
        .with(&[&giver.door])
        .stays_shut();
}

/// Port 53 belongs to the gate's own resolver, whoever was asked.
fn on_port(port: u16, name: &'static str, kind: Kind, host: u8, end: End) {
    // An address each: a sink listens for as long as the tests run.
    match Sink::open_at(kind, [127, 9, 9, host].into(), port) {
        Ok(sink) => {
            let more = Vec::new();
            Way {
                name,
                sink,
                more,
                end,
            }
            .stays_shut();
        }
        Err(error) => skipped(name, &format!("{error:#}")),
    }
}

#[test]
fn cve_2026_32946_dns_over_tcp() {
    on_port(53, "dns_tcp", Kind::Tcp4, 1, End::Resolved("rcode 5"));
}

#[test]
fn dns_over_udp() {
    on_port(53, "dns_udp", Kind::Udp4, 2, End::Resolved("rcode 5"));
}

#[test]
fn no_dns_at_all_on_port_53() {
    on_port(
        53,
        "dns_garbage",
        Kind::Tcp4,
        3,
        End::Resolved("answer b''"),
    );
}

#[test]
fn quic() {
    let end = End::Blocked("sendmsg4", "udp");
    on_port(443, "udp_sendto", Kind::Udp4, 4, end);
}

#[test]
fn net_namespace() {
    if let Some(why) = cannot_capture() {
        return skipped("net_namespace", why);
    }
    let namespace = Namespace::new().unwrap();
    let path = namespace.path().to_string_lossy().into_owned();
    let way = Way {
        name: "net_namespace",
        sink: Sink::open_in(&namespace, Kind::Tcp4).unwrap(),
        more: vec![&path],
        end: End::Blocked("connect4", "other_netns"),
    };
    way.stays_shut();
}

#[test]
fn net_namespace_early() {
    if let Some(why) = cannot_capture() {
        return skipped("net_namespace_early", why);
    }
    let namespace = Namespace::new().unwrap();
    let path = namespace.path().to_string_lossy().into_owned();
    let way = Way::new("net_namespace_early", Kind::Tcp4, End::Proxied);
    way.with(&[&path]).stays_shut();
}

/// What a program is called in a namespace of its own says nothing about what it is.
#[test]
fn another_program_by_a_mount() {
    if let Some(why) = cannot_capture() {
        return skipped("another_program_by_a_mount", why);
    }
    let sink = Sink::open(Kind::Tcp4, 0).unwrap();
    let sluice = Sluice::new().unwrap();
    let psql = sluice.scratch().write("psql", "").unwrap();
    let path = psql.to_string_lossy().into_owned();
    let said = direct("in_a_user_namespace", &sink, "word-off", &[&path]).unwrap();
    if said.contains("PermissionError") {
        return skipped("another_program_by_a_mount", "no user namespaces here");
    }
    assert_eq!(said, "out");
    sink.must_see("word-off").unwrap();
    let policy = format!(
        "version: 1\nname: by-program\ndefault: deny\nrules:\n  - name: psql\n    who: {{ exe: \
         {path} }}\n    what: {{ cidr: [{}], port: {}, protocol: opaque }}\n    then: allow\n",
        sink.address(),
        sink.port()
    );
    sink.so_far().unwrap();
    let dressed = job(
        &sluice,
        &policy,
        "in_a_user_namespace",
        &sink,
        "word-on",
        &[&path],
    );
    assert_eq!(outcome(&dressed.unwrap().stdout), "ECONNRESET");
    sink.must_have_seen_nothing("word-on").unwrap();
    let session = sluice.sessions().unwrap().pop().unwrap();
    let shown = leaf(&session).unwrap()["exe"].as_str().unwrap().to_owned();
    assert_eq!(
        (shown, &session["verdict"]),
        (format!("...{path}"), &"deny".into())
    );

    // The same program where its path is what it says.
    std::fs::copy(python(), &psql).unwrap();
    let tcp4 = sluice_evasion::vector("tcp4")
        .to_string_lossy()
        .into_owned();
    let (host, port) = (sink.address().to_string(), sink.port().to_string());
    let line = [&path, "-B", &tcp4, &host, &port, "word-itself"];
    let itself = sluice.run_with(&policy, &[], &line).unwrap();
    assert_eq!(outcome(&itself.stdout), "out", "{itself:?}");
}
