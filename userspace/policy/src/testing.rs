//! Facts and policies for tests.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_flow::operation::OpaqueStream;
use sluice_flow::{
    ArgvState, BootId, DnsQuestion, Effect, Exec, ExecId, HostFact, How, HttpBody, HttpRequest,
    Job, JobId, Lineage, Operation, ProcessId, SqlMessage, Statement, Verdict,
};
use smallvec::SmallVec;

use crate::what::{Asked, Status, Subject};
use crate::{FlowFacts, FlowPolicy, JobPolicy, Layer, PolicySet, Source};

pub(crate) const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

pub(crate) fn exec(tgid: u32, exe: &str, argv: &[&str]) -> Exec {
    Exec {
        id: ExecId {
            boot: BootId::nil(),
            process: ProcessId { tgid, started: 1 },
            ordinal: 1,
        },
        pid: tgid,
        exe: exe.to_owned(),
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
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

/// A complete chain of programs, each a process of its own.
pub(crate) fn lineage(exes: &[&str]) -> Lineage {
    let execs = exes
        .iter()
        .zip(1..)
        .map(|(exe, tgid)| Arc::new(exec(tgid, exe, &[exe])));
    Lineage {
        execs: execs.collect(),
        complete: true,
    }
}

pub(crate) fn gap(exes: &[&str]) -> Lineage {
    Lineage {
        complete: false,
        ..lineage(exes)
    }
}

pub(crate) fn proved(name: &str) -> HostFact {
    HostFact::Proved(name.to_owned())
}

pub(crate) fn http(method: &str, path: &str) -> Operation {
    Operation::Http(request(method, path, &[]))
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: None,
        host: None,
        headers: headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        upgrade: None,
        body: HttpBody::None,
    }
}

pub(crate) fn statement(effect: Effect, reads: &[&str], writes: &[&str]) -> Statement {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Statement {
        text: "...".to_owned(),
        effect,
        kind: match effect {
            Effect::Read => "select",
            Effect::Write => "insert",
            Effect::Ddl => "create table",
            Effect::Admin => "set role",
            Effect::Unknown => "unknown",
        }
        .to_owned(),
        reads: owned(reads),
        writes: owned(writes),
        columns: Vec::new(),
        tables_known: effect != Effect::Unknown,
    }
}

pub(crate) fn message(statements: Vec<Statement>) -> SqlMessage {
    SqlMessage {
        via: "query".to_owned(),
        statements,
        database: "app".to_owned(),
        user: "ci".to_owned(),
    }
}

pub(crate) fn sql(statements: Vec<Statement>) -> Operation {
    Operation::Postgres(message(statements))
}

pub(crate) fn select(tables: &[&str]) -> Operation {
    sql(vec![statement(Effect::Read, tables, &[])])
}

pub(crate) fn question(name: &str, r#type: &str) -> Operation {
    Operation::Dns(DnsQuestion {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
    })
}

pub(crate) fn opaque(looks_like: &str) -> Operation {
    Operation::Opaque(OpaqueStream {
        looks_like: looks_like.to_owned(),
    })
}

/// What an operation asks for, before it is answered.
pub(crate) fn asked(operation: &Operation) -> SmallVec<[Asked<'_>; 2]> {
    Subject {
        operation,
        status: Status::ToCome,
        host: &HostFact::Unknown,
    }
    .asked()
}

pub(crate) fn job() -> Job {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Job {
        id: JobId(BootId::nil()),
        name: "payments".to_owned(),
        labels: [
            label("repository", "acme/payments"),
            label("ref", "refs/heads/main"),
            label("job", "migrate"),
        ]
        .into(),
        uid: 1000,
    }
}

pub(crate) fn source(layer: Layer, text: impl Into<String>) -> Source {
    Source {
        layer,
        file: "p.yaml".to_owned(),
        text: text.into(),
    }
}

/// A policy of the repository layer with these lines behind its head.
pub(crate) fn policy(rest: &str) -> String {
    format!("version: 1\nname: p\n{rest}")
}

pub(crate) fn set(texts: &[(Layer, &str)]) -> PolicySet {
    let sources = texts
        .iter()
        .map(|(layer, text)| source(*layer, *text))
        .collect();
    PolicySet::load(sources).unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn job_policy(rest: &str) -> Arc<JobPolicy> {
    set(&[(Layer::Repository, &policy(rest))]).for_job(&job())
}

/// A flow of `psql` below two scripts, to a proved name.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) lineage: Lineage,
    pub(crate) host: HostFact,
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            lineage: lineage(&["/bin/bash", "/ci/deploy.sh", "/usr/bin/psql"]),
            host: proved("db.example.com"),
            ip: IP,
            port: 443,
        }
    }
}

impl Flow {
    pub(crate) fn to(host: &str) -> Self {
        Self {
            host: proved(host),
            ..Self::default()
        }
    }

    pub(crate) fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    pub(crate) fn by(self, lineage: Lineage) -> Self {
        Self { lineage, ..self }
    }

    pub(crate) fn named(self, host: HostFact) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn facts(&self) -> FlowFacts<'_> {
        FlowFacts {
            lineage: &self.lineage,
            ip: self.ip,
            port: self.port,
            host: &self.host,
        }
    }

    pub(crate) fn under(&self, policy: &Arc<JobPolicy>) -> FlowPolicy {
        policy.flow(self.facts())
    }

    pub(crate) fn judged(&self, policy: &Arc<JobPolicy>, operation: &Operation) -> Verdict {
        self.under(policy).decide(operation, &self.host)
    }

    /// `deny p/rule`.
    pub(crate) fn says(&self, rest: &str, operation: &Operation) -> String {
        said(&self.judged(&job_policy(rest), operation))
    }
}

/// A verdict in few words: `deny p/a, p/b`, and what it would be.
pub(crate) fn said(verdict: &Verdict) -> String {
    let rules: Vec<String> = verdict.rules.iter().map(ToString::to_string).collect();
    let would = match &verdict.would_be {
        Some(would_be) => format!(" (would {})", would_be.word()),
        None => String::new(),
    };
    format!("{} {}{would}", verdict.decision.word(), rules.join(", "))
}
