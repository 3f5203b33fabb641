//! Nanoseconds a verdict takes with a thousand rules: `cargo run --release -p sluice-policy
//! --example decide`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use sluice_flow::{
    ArgvState, BootId, Effect, Exec, ExecId, HostFact, How, HttpBody, HttpRequest, Job, JobId,
    Lineage, Operation, ProcessId, SqlMessage, Statement,
};
use sluice_policy::{FlowFacts, JobPolicy, Layer, PolicySet, Source};

const RULES: usize = 1000;
const ROUNDS: u32 = 20_000;

fn main() {
    let lineage = Lineage {
        execs: ["/bin/bash", "/ci/deploy.sh", "/usr/bin/psql"]
            .iter()
            .zip(1..)
            .map(|(exe, tgid)| Arc::new(exec(tgid, exe)))
            .collect(),
        complete: true,
    };
    println!("{RULES} rules, ns a verdict (median of 9 rounds), us to prepare a flow");
    for (name, rules) in [
        (
            "a host each",
            rule_text(|i| format!("what: {{ host: h{i}.example.com, http: {{}} }}")),
        ),
        (
            "one host, a path each",
            rule_text(|i| {
                format!("what: {{ host: h7.example.com, http: {{ path: \"/repos/o{i}/**\" }} }}")
            }),
        ),
        (
            "one host, a wild path each",
            rule_text(|i| {
                format!("what: {{ host: h7.example.com, http: {{ path: \"/repos/*/o{i}/**\" }} }}")
            }),
        ),
        (
            "a program each",
            rule_text(|i| {
                format!("who: {{ exe: \"**/tool{i}\" }}, what: {{ host: \"*.example.com\" }}")
            }),
        ),
        (
            "a table each",
            rule_text(|i| {
                format!("what: {{ host: h7.example.com, postgres: {{ table: \"s{i}.*\" }} }}")
            }),
        ),
        (
            "half of them deny",
            rule_text(|i| {
                format!(
                    "what: {{ host: \"*.example.com\", http: {{ method: POST, path: /p{i} }} }}"
                )
            }),
        ),
    ] {
        measure(name, &rules, &lineage);
    }
}

fn rule_text(conditions: impl Fn(usize) -> String) -> String {
    let rule = |i: usize| {
        let verb = if i.is_multiple_of(2) { "allow" } else { "deny" };
        format!("  - {{ name: r{i}, {}, then: {verb} }}\n", conditions(i))
    };
    let rules: String = (0..RULES).map(rule).collect();
    format!("version: 1\nname: bench\nrules:\n{rules}")
}

fn measure(name: &str, text: &str, lineage: &Lineage) {
    let source = Source {
        layer: Layer::Repository,
        file: "bench.yaml".to_owned(),
        text: text.to_owned(),
    };
    let set = match PolicySet::load(vec![source]) {
        Ok(set) => set,
        Err(errors) => return eprintln!("{errors}"),
    };
    let job = Job {
        id: JobId(BootId::nil()),
        name: "bench".to_owned(),
        labels: Default::default(),
        uid: 0,
    };
    let policy = set.for_job(&job);
    let host = HostFact::Proved("h7.example.com".to_owned());
    let facts = FlowFacts {
        lineage,
        ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port: 443,
        host: &host,
    };
    let prepared = median(|| {
        let start = Instant::now();
        for _ in 0..ROUNDS / 100 {
            black_box(policy.flow(black_box(facts)));
        }
        start.elapsed().as_nanos() / u128::from(ROUNDS / 100)
    });
    print!("{name:<28} flow {:>5} us", prepared / 1000);
    for (kind, operation) in [("http", http()), ("postgres", select())] {
        let ns = verdicts(&policy, facts, &operation, &host);
        print!("  {kind} {ns:>6} ns");
    }
    println!();
}

fn verdicts(
    policy: &Arc<JobPolicy>,
    facts: FlowFacts<'_>,
    operation: &Operation,
    host: &HostFact,
) -> u128 {
    let flow = policy.flow(facts);
    median(|| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let _ = black_box(flow.decide(black_box(operation), black_box(host)));
        }
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    })
}

fn median(mut once: impl FnMut() -> u128) -> u128 {
    let mut rounds: Vec<u128> = (0..9).map(|_| once()).collect();
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

fn exec(tgid: u32, exe: &str) -> Exec {
    Exec {
        id: ExecId {
            boot: BootId::nil(),
            process: ProcessId { tgid, started: 1 },
            ordinal: 1,
        },
        pid: tgid,
        exe: exe.to_owned(),
        argv: vec![exe.to_owned()],
        argv_state: ArgvState::Whole,
        cwd: "/work".to_owned(),
        uid: 1000,
        cgroup: 1,
        started: Default::default(),
        how: How::Exec,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    }
}

fn http() -> Operation {
    Operation::Http(HttpRequest {
        method: "GET".to_owned(),
        path: "/repos/o8/project/issues/17".to_owned(),
        query: None,
        host: None,
        headers: Vec::new(),
        upgrade: None,
        body: HttpBody::None,
    })
}

fn select() -> Operation {
    Operation::Postgres(SqlMessage {
        via: "query".to_owned(),
        statements: vec![Statement {
            text: "select * from s8.t".to_owned(),
            effect: Effect::Read,
            kind: "select".to_owned(),
            reads: vec!["s8.t".to_owned()],
            writes: Vec::new(),
            columns: Vec::new(),
            tables_known: true,
        }],
        database: "app".to_owned(),
        user: "ci".to_owned(),
    })
}
