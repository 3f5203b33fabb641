//! Past bugs of this class of tool, as far as policies can have them: each by its name.

use std::sync::Arc;

use sluice_flow::{ArgvState, Effect, HostFact, Lineage};

use crate::Admission;
use crate::testing::{
    Flow, exec, http, job_policy, lineage, opaque, question, said, select, sql, statement,
};

const ONE_HOST: &str = "rules:
  - { name: api, what: { host: api.example.com, port: [80, 443], http: {} }, then: allow }
";

/// Another name on the same address of a CDN.
#[test]
fn harden_runner_agent_426() {
    let flow = Flow::to("api.example.com");
    let policy = job_policy(ONE_HOST);
    let judged = |claimed: &str| {
        let host = flow.host.claim(claimed, flow.ip);
        said(&flow.under(&policy).decide(&http("GET", "/"), &host))
    };
    assert_eq!(judged("api.example.com"), "allow p/api");
    assert_eq!(judged("evil.example.com"), "deny sluice/host-disagrees");
    assert_eq!(judged(""), "deny sluice/host-disagrees");
    assert_eq!(
        judged("api.example.com.evil.example"),
        "deny sluice/host-disagrees"
    );
}

/// A raw address instead of a name.
#[test]
fn bullfrog_raw_ip() {
    let raw = Flow::default().named(HostFact::Unknown);
    assert_eq!(raw.says(ONE_HOST, &http("GET", "/")), "deny p/default");
    let policy = job_policy(ONE_HOST);
    assert!(matches!(raw.under(&policy).admit(), Admission::Refuse(_)));
}

/// DNS over TCP: the same question, or a stream on port 53.
#[test]
fn harden_runner_cve_2026_32946() {
    let flow = Flow::default().port(53).named(HostFact::Unknown);
    assert_eq!(
        flow.says(ONE_HOST, &question("x.evil.example", "A")),
        "deny p/default"
    );
    assert_eq!(flow.says(ONE_HOST, &opaque("unknown")), "deny p/default");
}

/// DNS over HTTPS: a stream that is not understood needs its own rule.
#[test]
fn harden_runner_cve_2026_32947() {
    let rest = "rules: [{ name: web, what: { host: dns.example.net }, then: allow }]";
    assert_eq!(
        Flow::to("dns.example.net").says(rest, &opaque("tls")),
        "deny p/default"
    );
}

/// A service of an allowed host on a port that nobody meant.
#[test]
fn gh_aw_firewall_209() {
    let to = |port| Flow::to("api.example.com").port(port);
    assert_eq!(to(80).says(ONE_HOST, &http("GET", "/")), "allow p/api");
    assert_eq!(to(8080).says(ONE_HOST, &http("GET", "/")), "deny p/default");
    assert!(matches!(
        to(8080).under(&job_policy(ONE_HOST)).admit(),
        Admission::Refuse(_)
    ));
}

/// Everything that is not IPv4 passes.
#[test]
fn leash_ipv6() {
    let rest = "default: allow\nrules: [{ name: r, what: { cidr: [192.0.2.0/24, \"2001:db8::/32\"] }, then: deny }]";
    for (ip, want) in [
        ("192.0.2.1", "deny p/r"),
        ("2001:db8::1", "deny p/r"),
        ("::ffff:192.0.2.1", "deny p/r"),
        ("fe80::1", "allow p/default"),
    ] {
        let flow = Flow {
            ip: ip.parse().unwrap(),
            ..Flow::default()
        };
        assert_eq!(flow.says(rest, &http("GET", "/")), want, "{ip}");
    }
}

/// A rule about addresses beside one about requests turns the look at requests off.
#[test]
fn cilium_cve_2024_47825() {
    let rest = "rules:
  - { name: requests, what: { host: api.example.com, http: { method: GET } }, then: allow }
  - { name: ssh, what: { host: api.example.com, port: 22, protocol: ssh }, then: allow }
";
    let flow = || Flow::to("api.example.com");
    assert_eq!(flow().says(rest, &http("DELETE", "/")), "deny p/default");
    assert_eq!(
        flow().port(22).says(rest, &http("DELETE", "/")),
        "deny p/default"
    );
}

/// A wildcard rule hides a narrower one that refuses.
#[test]
fn cilium_cve_2024_52529() {
    let rest = "rules:
  - { name: ports, what: { host: api.example.com, port: 1-65535 }, then: allow }
  - { name: requests, what: { host: api.example.com, http: { path: \"/admin/**\" } }, then: deny }
";
    let flow = Flow::to("api.example.com");
    assert_eq!(flow.says(rest, &http("GET", "/admin/x")), "deny p/requests");
    assert_eq!(flow.says(rest, &http("GET", "/x")), "allow p/ports");
}

/// What could not be looked at is taken as harmless.
#[test]
fn docker_authz_cve_2024_41110() {
    let rest = "rules:
  - { name: read, what: { postgres: { effect: [read, write, ddl, admin] } }, then: allow }
";
    assert_eq!(
        Flow::default().says(rest, &sql(Vec::new())),
        "deny p/default"
    );
    let unknown = sql(vec![statement(Effect::Unknown, &["a.b"], &[])]);
    assert_eq!(Flow::default().says(rest, &unknown), "deny p/default");
}

/// Arguments that were not there when they were read.
#[test]
fn falco_argv() {
    let rest = "rules: [{ name: ci, who: { argv: [ci] }, then: allow }]";
    let with = |argv: &[&str], argv_state| {
        let exec = sluice_flow::Exec {
            argv_state,
            ..exec(2, "/usr/bin/npm", argv)
        };
        let mut chain = lineage(&["/bin/bash"]);
        chain.execs.push(Arc::new(exec));
        Flow::default().by(Lineage {
            execs: chain.execs,
            complete: true,
        })
    };
    let request = http("GET", "/");
    assert_eq!(
        with(&["npm", "ci"], ArgvState::Whole).says(rest, &request),
        "allow p/ci"
    );
    assert_eq!(
        with(&[], ArgvState::Faulted).says(rest, &request),
        "deny p/default"
    );
    assert_eq!(
        with(&["npm"], ArgvState::Truncated).says(rest, &request),
        "deny p/default"
    );
}

/// Events that were dropped leave a gap.
#[test]
fn tracee_dropped_events() {
    let flow = Flow::default().by(crate::testing::gap(&["/bin/bash", "/usr/bin/psql"]));
    assert_eq!(
        flow.says("rules: [{ name: r, then: allow }]", &select(&["a.b"])),
        "deny p/default"
    );
}

/// After an upgrade the connection is raw: the tunnel is judged by itself.
#[test]
fn kubernetes_cve_2018_1002105() {
    let flow = Flow::to("api.example.com");
    assert_eq!(flow.says(ONE_HOST, &http("GET", "/ws")), "allow p/api");
    assert_eq!(flow.says(ONE_HOST, &opaque("websocket")), "deny p/default");
    let named = "rules: [{ name: ws, what: { host: api.example.com, port: 443, protocol: websocket }, then: allow }]";
    assert_eq!(flow.says(named, &opaque("websocket")), "allow p/ws");
}

/// Green, and nothing was enforced: shadow says in every verdict what it let pass.
#[test]
fn harden_runner_689() {
    let verdict = Flow::default().judged(&job_policy("mode: shadow"), &http("GET", "/"));
    assert_eq!(said(&verdict), "allow p/default (would deny)");
    assert!(!verdict.message.is_empty());
}
