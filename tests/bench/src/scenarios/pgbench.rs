//! pgbench -S: simple and prepared, eight clients and one.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, ensure};
use sluice_harness::{Postgres, REMOTE, Scratch};

use super::load::pgbench;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, Goal};
use crate::peers::Peer;
use crate::policy::{hundred_rules, postgres};
use crate::stage::{CPU_EACH, Load, Path, Sample, Stage};

const RATE: Metric = Metric::new("rate", "tps");
const CASES: [(&str, &str, &str); 4] = [
    ("pgbench simple, 8 clients", "simple", "8"),
    ("pgbench prepared, 8 clients", "prepared", "8"),
    ("pgbench simple, 1 client", "simple", "1"),
    ("pgbench prepared, 1 client", "prepared", "1"),
];

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let scratch = Scratch::new()?;
    let server = Postgres::start(&scratch)?;
    let address = SocketAddr::new(REMOTE, server.port);
    fill(address)?;
    let peers = [Peer::pgbouncer(address)?, Peer::haproxy("tcp", address)?];
    let policy = hundred_rules(&[postgres(server.port)], &[]);
    let mut stage = Stage::new(address, &peers, &policy)?;
    let mut findings = Findings::new("pgbench", goals());
    for (case, mode, clients) in CASES {
        let load = Load {
            case,
            command: &|path| Ok(command(path, mode, clients, effort.seconds)),
            read: &|out| {
                let (rate, work) = pgbench(out)?;
                let values = vec![(RATE, rate)];
                Ok(Sample { values, work })
            },
            cpu: CPU_EACH,
        };
        stage.rounds(&mut findings, effort.rounds, &load)?;
    }
    Ok(findings)
}

fn goals() -> Vec<Goal> {
    let goal = |case, bound| {
        Goal::new(
            case,
            RATE.name,
            Against::Ratio("pgbouncer"),
            Bound::AtLeast(bound),
        )
    };
    vec![
        goal("pgbench simple, 8 clients", 1.0),
        goal("pgbench prepared, 8 clients", 1.05),
    ]
}

fn command(path: &Path, mode: &str, clients: &str, seconds: u64) -> Vec<String> {
    let threads = if clients == "1" { "1" } else { "2" };
    let (host, port) = (
        path.address.ip().to_string(),
        path.address.port().to_string(),
    );
    let seconds = seconds.to_string();
    let words = [
        "pgbench", "-S", "-n", "-M", mode, "-c", clients, "-j", threads, "-T", &seconds, "-h",
        &host, "-p", &port, "-U", "postgres", "postgres",
    ];
    words.map(str::to_owned).to_vec()
}

/// A hundred thousand accounts: they fit into the server's buffers.
fn fill(address: SocketAddr) -> anyhow::Result<()> {
    let output = Command::new("pgbench")
        .args(["-i", "-q", "-s", "1", "-U", "postgres"])
        .args(["-h", &address.ip().to_string()])
        .args(["-p", &address.port().to_string(), "postgres"])
        .output()
        .context("cannot run pgbench; cargo xtask setup installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench -i: {said}");
    Ok(())
}
