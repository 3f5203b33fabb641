//! New connections with one small request, and requests on one that stays.

use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, DIRECT, Goal};
use crate::peers::Peer;
use crate::policy::{hundred_rules, opaque};
use crate::server::Server;
use crate::stage::{CPU_EACH, Load, Stage, client, read_client};

const P50: Metric = Metric::new("p50", "us");
const P99: Metric = Metric::new("p99", "us");
const RATE: Metric = Metric::new("rate", "conn/s");

const ONE: &str = "connect + request";
const EIGHT: &str = "new connections, 8 at once";
const KEPT: &str = "request, kept connection";

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let server = Server::start()?;
    let peers = [
        Peer::haproxy("tcp", server.address)?,
        Peer::nginx_stream(server.address)?,
    ];
    let policy = hundred_rules(&[opaque(server.address.port())], &[]);
    let mut stage = Stage::new(server.address, &peers, &policy)?;
    let mut findings = Findings::new("connect", goals());
    let latencies = &|out: &str| read_client(out, &[("p50", P50), ("p99", P99)]);
    let count = effort.connects.to_string();
    let one = Load {
        case: ONE,
        command: &|path| client(&["connect", &path.address.to_string(), &count]),
        read: latencies,
        cpu: CPU_EACH,
    };
    stage.rounds(&mut findings, effort.rounds, &one)?;
    let count = effort.connects_at_once.to_string();
    let eight = Load {
        case: EIGHT,
        command: &|path| client(&["connects", &path.address.to_string(), &count, "8"]),
        read: &|out| read_client(out, &[("rate", RATE)]),
        cpu: CPU_EACH,
    };
    stage.rounds(&mut findings, effort.rounds, &eight)?;
    let count = effort.requests.to_string();
    let kept = Load {
        case: KEPT,
        command: &|path| client(&["request", &path.address.to_string(), &count]),
        read: latencies,
        cpu: CPU_EACH,
    };
    stage.rounds(&mut findings, effort.rounds, &kept)?;
    Ok(findings)
}

fn goals() -> Vec<Goal> {
    vec![
        Goal::new(ONE, P50.name, Against::Added(DIRECT), Bound::AtMost(75.0)),
        Goal::new(ONE, P50.name, Against::Ratio("nginx"), Bound::AtMost(1.0)),
        Goal::new(
            EIGHT,
            RATE.name,
            Against::Ratio(DIRECT),
            Bound::AtLeast(0.48),
        ),
    ]
}
