//! HTTP/1.1 requests by wrk: small answers, and JSON of 32 KiB.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::ensure;
use sluice_harness::{Nginx, REMOTE, Scratch, free_port};

use super::load::wrk;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, DIRECT, Goal};
use crate::peers::Peer;
use crate::policy::{http, hundred_rules};
use crate::stage::{CPU_EACH, Load, Sample, Stage};

const RATE: Metric = Metric::new("rate", "req/s");
/// The path whose answers are masked.
pub(super) const MASKED: &str = "sluice, masking";

const MANY: &str = "HTTP 1 KiB, 32 connections";
const ONE: &str = "HTTP 1 KiB, 1 connection";
const JSON: &str = "HTTP 32 KiB JSON, 16 connections";

const CASES: [(&str, &str, &str, &str); 3] = [
    (MANY, "small", "2", "32"),
    (ONE, "small", "1", "1"),
    (JSON, "orders.json", "2", "16"),
];

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let origin = Origin::start()?;
    let peers = [
        Peer::haproxy("http", origin.plain)?,
        Peer::nginx_http(origin.plain)?,
    ];
    let mut stage = origin.stage(&peers)?;
    let mut findings = Findings::new("http", goals());
    let seconds = format!("{}s", effort.seconds);
    for (case, page, threads, connections) in CASES {
        let load = Load {
            case,
            command: &|path| {
                let url = format!("http://{}/{page}", path.address);
                let words = [
                    "wrk",
                    "-t",
                    threads,
                    "-c",
                    connections,
                    "-d",
                    &seconds,
                    &url,
                ];
                Ok(words.map(str::to_owned).to_vec())
            },
            read: &|out| {
                let (rate, work) = wrk(out)?;
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
    let of_direct = |case, bound| {
        Goal::new(
            case,
            RATE.name,
            Against::Ratio(DIRECT),
            Bound::AtLeast(bound),
        )
    };
    vec![
        of_direct(MANY, 0.50),
        of_direct(MANY, 0.47).of(MASKED),
        Goal::new(
            MANY,
            RATE.name,
            Against::Ratio("nginx"),
            Bound::AtLeast(1.0),
        ),
        of_direct(JSON, 0.40).of(MASKED),
    ]
}

/// An nginx with the same pages on two ports; answers of the second one are masked.
pub(super) struct Origin {
    pub(super) plain: SocketAddr,
    pub(super) masked: SocketAddr,
    _nginx: Nginx,
    _scratch: Scratch,
}

impl Origin {
    pub(super) fn start() -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        scratch.write("pages/orders.json", &orders(32 << 10))?;
        scratch.write("pages/large.json", &orders(8 << 20))?;
        scratch.write("pages/person.json", "{\"mail\":\"ada@example.com\"}\n")?;
        let masked = free_port(REMOTE)?;
        let pages = scratch.path().join("pages");
        let server = format!(
            "listen {REMOTE}:{masked}; root {}; keepalive_requests 100000000; sendfile on;\n\
             tcp_nopush on; open_file_cache max=10; default_type application/json;\n\
             location = /small {{ return 200 \"{}\"; }}",
            pages.display(),
            "a line of an answer that holds nothing to mask\\n".repeat(21)
        );
        let nginx = Nginx::start(&scratch, &server)?;
        Ok(Self {
            plain: SocketAddr::new(REMOTE, nginx.port),
            masked: SocketAddr::new(REMOTE, masked),
            _nginx: nginx,
            _scratch: scratch,
        })
    }

    /// A stage with a masked path, which was seen to mask.
    pub(super) fn stage(&self, peers: &[Peer]) -> anyhow::Result<Stage> {
        let ports = [self.plain.port(), self.masked.port()];
        let policy = hundred_rules(&ports.map(http), &[self.masked.port()]);
        let mut stage = Stage::new(self.plain, peers, &policy)?;
        stage.through_sluice(MASKED, self.masked);
        for (address, shown) in [(self.plain, true), (self.masked, false)] {
            let url = format!("http://{address}/person.json");
            let words = ["curl", "-sS", "--fail-with-body", &url].map(str::to_owned);
            let body = stage.in_job(&words)?;
            let is_shown = body.contains("ada@example.com");
            ensure!(
                is_shown == shown,
                "masking is not as the policy says: {body}"
            );
        }
        Ok(stage)
    }
}

/// JSON of about `size` bytes, as an interface answers: nothing in it is a secret.
fn orders(size: usize) -> String {
    let mut text = "[\n".to_owned();
    let mut number = 100_000;
    while text.len() + 260 < size {
        let _ = writeln!(
            text,
            "{{\"id\":{number},\"name\":\"Order number {number} of the second quarter\",\"state\":\"delivered\",\
             \"created_at\":\"2026-03-{:02}T12:{:02}:07Z\",\"total\":{}.{:02},\"tags\":[\"blue\",\"fragile\"],\
             \"note\":\"leave it with the neighbour on the left\",\"href\":\"/api/orders/{number}\"}},",
            number % 28 + 1,
            number % 60,
            number * 7 % 1000,
            number % 100
        );
        number += 1;
    }
    text.push_str("{}]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_their_size() {
        for size in [1 << 10, 32 << 10] {
            let text = orders(size);
            assert!(
                text.len() <= size && text.len() > size - 520,
                "{}",
                text.len()
            );
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
}
