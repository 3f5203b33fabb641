//! One opaque stream, both ways.

use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, DIRECT, Goal};
use crate::peers::Peer;
use crate::policy::{hundred_rules, opaque};
use crate::server::Server;
use crate::stage::{CPU_A_GB, Load, Stage, client, read_client};

const RATE: Metric = Metric::new("rate", "GB/s");
const CASES: [(&str, &str); 2] = [("bulk upload", "upload"), ("bulk download", "download")];

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let server = Server::start()?;
    let peers = [
        Peer::haproxy("tcp", server.address)?,
        Peer::nginx_stream(server.address)?,
    ];
    let policy = hundred_rules(&[opaque(server.address.port())], &[]);
    let mut stage = Stage::new(server.address, &peers, &policy)?;
    let goals = CASES.iter().flat_map(|(case, _)| goals(case)).collect();
    let mut findings = Findings::new("bulk", goals);
    for (case, ask) in CASES {
        let load = Load {
            case,
            command: &|path| client(&[ask, &path.address.to_string(), &effort.bulk.to_string()]),
            read: &|out| read_client(out, &[("rate", RATE)]),
            cpu: CPU_A_GB,
        };
        stage.rounds(&mut findings, effort.rounds, &load)?;
    }
    Ok(findings)
}

fn goals(case: &'static str) -> [Goal; 3] {
    [
        Goal::new(
            case,
            RATE.name,
            Against::Ratio(DIRECT),
            Bound::AtLeast(0.65),
        ),
        Goal::new(
            case,
            RATE.name,
            Against::Ratio("haproxy"),
            Bound::AtLeast(1.3),
        ),
        Goal::new(case, CPU_A_GB.name, Against::Nothing, Bound::AtMost(0.08)),
    ]
}
