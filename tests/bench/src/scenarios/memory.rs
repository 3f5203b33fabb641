//! Memory at rest, and what an idle flow takes.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::agent::Agent;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, Goal, SLUICE};
use crate::machine;
use crate::peers::{OTHER_FILES, Peer};
use crate::policy::{hundred_rules, opaque};
use crate::proc::Watched;
use crate::server::Server;
use crate::stage::client;

const REST: &str = "at rest";
const RSS: Metric = Metric::new("RSS", "MiB");
const A_FLOW: Metric = Metric::new("RSS a flow", "KiB");

/// Numbers of flows that the goals name, and what their cases are called.
const CASES: [(usize, &str); 5] = [
    (200, "200 idle flows"),
    (400, "400 idle flows"),
    (1_000, "1,000 idle flows"),
    (5_000, "5,000 idle flows"),
    (10_000, "10,000 idle flows"),
];

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let goals = vec![
        Goal::new(REST, RSS.name, Against::Nothing, Bound::AtMost(40.0)),
        Goal::new(
            "1,000 idle flows",
            A_FLOW.name,
            Against::Nothing,
            Bound::AtMost(2.0),
        ),
        Goal::new(
            "5,000 idle flows",
            A_FLOW.name,
            Against::Nothing,
            Bound::AtMost(2.0),
        ),
        Goal::new(
            "10,000 idle flows",
            RSS.name,
            Against::Nothing,
            Bound::AtMost(1024.0),
        ),
    ];
    let mut findings = Findings::new("memory", goals);
    let files = machine::open_files()?;
    let fits = |flows: usize| flows as u64 * 2 + OTHER_FILES <= files;
    for flows in effort.flows.iter().filter(|flows| !fits(**flows)) {
        findings.gap(format!(
            "{flows} idle flows: they need {} open files, and the limit is {files}",
            *flows as u64 * 2 + OTHER_FILES
        ));
    }
    let steps: Vec<usize> = effort.flows.iter().copied().filter(|f| fits(*f)).collect();
    // Memory that was taken is seldom given back: each round has processes of its own.
    for _ in 0..effort.rounds.min(3) {
        machine::go_on()?;
        round(&mut findings, &steps)?;
    }
    Ok(findings)
}

fn round(findings: &mut Findings, steps: &[usize]) -> anyhow::Result<()> {
    let server = Server::start()?;
    for peer in [
        Peer::haproxy("tcp", server.address)?,
        Peer::nginx_stream(server.address)?,
    ] {
        let mut agent = Agent::outside()?;
        let (name, watched) = (peer.name, peer.watched());
        let result = fill(
            findings,
            name,
            &mut agent,
            watched,
            peer.address,
            &server,
            steps,
        );
        note(findings, name, result);
    }
    let policy = hundred_rules(&[opaque(server.address.port())], &[]);
    let mut job = Agent::job(&policy)?;
    let daemon = Watched::Process(job.pid());
    let result = fill(
        findings,
        SLUICE,
        &mut job,
        daemon,
        server.address,
        &server,
        steps,
    );
    note(findings, SLUICE, result);
    Ok(())
}

fn note(findings: &mut Findings, path: &'static str, result: anyhow::Result<()>) {
    if let Err(error) = result {
        findings.fail(REST, path, &error);
    }
}

fn fill(
    findings: &mut Findings,
    path: &'static str,
    agent: &mut Agent,
    watched: Watched,
    address: SocketAddr,
    server: &Server,
    steps: &[usize],
) -> anyhow::Result<()> {
    // One flow has been through: what is made once is not counted as a flow's.
    agent.hold(&client(&["idle", &address.to_string(), "1"])?)?;
    agent.release()?;
    server.release();
    let rest = watched.rss_kib()?;
    findings.add(REST, RSS, path, rest / 1024.0);
    for &flows in steps {
        let command = client(&["idle", &address.to_string(), &flows.to_string()])?;
        let first = agent.hold(&command)?;
        let open: usize = first.trim().parse().context("no count of flows")?;
        let full = watched.rss_kib()?;
        agent.release()?;
        server.release();
        let case = CASES.iter().find(|(count, _)| *count == open);
        let (_, case) = case.context("a number of flows without a name")?;
        findings.add(case, RSS, path, full / 1024.0);
        findings.add(case, A_FLOW, path, (full - rest).max(0.0) / open as f64);
    }
    Ok(())
}
