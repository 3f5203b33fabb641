//! YAML values to cases.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_flow::operation::OpaqueStream;
use sluice_flow::{
    ArgvState, BootId, DnsQuestion, Effect, Exec, ExecId, HostFact, How, HttpBody, HttpRequest,
    Job, JobId, Lineage, Operation, ProcessId, SqlMessage, Statement,
};

use super::{Case, Expect, SqlParser, keys};
use crate::diagnostic::{Complaints, PolicyErrors, SourceText};
use crate::limits::MAX_CASES;
use crate::read::{Fields, Reader, STATUSES};
use crate::yaml::{self, Node, Value};

/// Documentation's address (RFC 5737).
const DEFAULT_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

const DEFAULT_UID: u64 = 1000;

const VERDICTS: &[(&str, &str)] = &[("allow", "allow"), ("approve", "approve"), ("deny", "deny")];

const EFFECTS: &[(&str, Effect)] = &[
    ("read", Effect::Read),
    ("write", Effect::Write),
    ("ddl", Effect::Ddl),
    ("admin", Effect::Admin),
    ("unknown", Effect::Unknown),
];

pub(super) fn cases(file: &str, text: &str, sql: SqlParser<'_>) -> Result<Vec<Case>, PolicyErrors> {
    let source = Arc::new(SourceText {
        file: file.to_owned(),
        text: text.to_owned(),
    });
    let mut complaints = Complaints::new(source);
    let Some(node) = yaml::read(&mut complaints) else {
        return Err(PolicyErrors {
            errors: complaints.errors,
        });
    };
    let mut reader = Reader {
        complaints,
        users: &|_| None,
    };
    let cases = reader.cases(&node, sql);
    match reader.complaints.errors {
        errors if errors.is_empty() => Ok(cases),
        errors => Err(PolicyErrors { errors }),
    }
}

impl Reader<'_> {
    fn cases(&mut self, node: &Node, sql: SqlParser<'_>) -> Vec<Case> {
        let list = self
            .fields(node, &keys::FILE)
            .and_then(|fields| fields.find("cases"));
        let Some(list) = list else { return Vec::new() };
        let Value::List(items) = &list.value else {
            let fix = "each case starts with `- name:`";
            self.complaints
                .error_with_fix(list.span, "`cases` is a list", fix);
            return Vec::new();
        };
        let items = self.bounded(list, items, MAX_CASES, "cases");
        items
            .iter()
            .filter_map(|item| self.case(item, sql))
            .collect()
    }

    fn case(&mut self, node: &Node, sql: SqlParser<'_>) -> Option<Case> {
        let fields = self.fields(node, &keys::CASE)?;
        let (operation, status) = self.operation(fields, sql).unzip();
        let port = match &operation {
            Some(Operation::Postgres(_)) => 5432,
            Some(Operation::Dns(_)) => 53,
            Some(Operation::Http(_) | Operation::Opaque(_)) | None => 443,
        };
        let port = self.field_number(fields, "port", 1, u16::MAX.into(), port);
        let job = Job {
            id: JobId(BootId::nil()),
            name: self.field_text(fields, "pipeline", "case"),
            labels: fields
                .find("job")
                .map(|node| self.labels(node))
                .unwrap_or_default(),
            uid: 0,
        };
        Some(Case {
            name: self.text(fields.find("name")?)?.to_owned(),
            span: fields.find("name")?.span,
            job,
            lineage: self.lineage(fields),
            ip: fields
                .find("ip")
                .map_or(Some(DEFAULT_IP), |node| self.ip(node))?,
            port: u16::try_from(port).ok()?,
            host: HostFact::resolved(&self.field_texts(fields, "host")),
            claims: fields
                .find("claims")
                .and_then(|n| self.text(n))
                .map(str::to_owned),
            operation,
            status: status.flatten(),
            expect: self.expect(fields.find("expect")?)?,
        })
    }

    fn field_text(&mut self, fields: Fields<'_>, key: &str, default: &str) -> String {
        let text = fields.find(key).and_then(|node| self.text(node));
        text.unwrap_or(default).to_owned()
    }

    fn field_texts(&mut self, fields: Fields<'_>, key: &str) -> Vec<String> {
        let texts = fields
            .find(key)
            .map(|node| self.texts(node))
            .unwrap_or_default();
        texts.into_iter().map(|(text, _)| text.to_owned()).collect()
    }

    fn field_number(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        from: u64,
        to: u64,
        default: u64,
    ) -> u64 {
        fields
            .find(key)
            .and_then(|node| self.number(node, from, to))
            .unwrap_or(default)
    }

    fn ip(&mut self, node: &Node) -> Option<IpAddr> {
        let text = self.text(node)?;
        match text.parse::<IpAddr>() {
            Ok(ip) => Some(ip.to_canonical()),
            Err(_) => {
                let fix = "for example 192.0.2.1 or \"2001:db8::1\"";
                self.complaints
                    .error_with_fix(node.span, "this is no address", fix);
                None
            }
        }
    }

    fn lineage(&mut self, fields: Fields<'_>) -> Lineage {
        let nodes = fields
            .find("lineage")
            .map(|node| self.values(node))
            .unwrap_or_default();
        let mut execs: Vec<Arc<Exec>> = Vec::new();
        for (node, tgid) in nodes.iter().zip(1..) {
            execs.extend(self.exec(node, tgid).map(Arc::new));
        }
        if nodes.is_empty() {
            execs.push(Arc::new(exec(1, "/bin/sh".to_owned())));
        }
        let complete = fields
            .find("lineage_complete")
            .and_then(|node| self.boolean(node));
        Lineage {
            execs,
            complete: complete.unwrap_or(true),
        }
    }

    fn exec(&mut self, node: &Node, tgid: u32) -> Option<Exec> {
        if !matches!(node.value, Value::Map(_)) {
            return Some(exec(tgid, self.text(node)?.to_owned()));
        }
        let fields = self.fields(node, &keys::EXEC)?;
        let mut exec = exec(tgid, self.text(fields.find("exe")?)?.to_owned());
        if fields.find("argv").is_some() {
            exec.argv = self.field_texts(fields, "argv");
        }
        let uid = self.field_number(fields, "uid", 0, u32::MAX.into(), DEFAULT_UID);
        exec.uid = u32::try_from(uid).ok()?;
        exec.cwd = self.field_text(fields, "cwd", "/");
        if let Some(node) = fields.find("exe_sha256") {
            let text = self.text(node)?;
            exec.exe_sha256 = Some(self.digest(text, node.span)?);
        }
        Some(exec)
    }

    /// The operation, and the status of its answer.
    fn operation(
        &mut self,
        fields: Fields<'_>,
        sql: SqlParser<'_>,
    ) -> Option<(Operation, Option<u16>)> {
        let named = ["http", "postgres", "dns", "opaque"];
        let there: Vec<&str> = named
            .into_iter()
            .filter(|key| fields.find(key).is_some())
            .collect();
        if let [_, second, ..] = there.as_slice() {
            let message = format!("a case has one operation, not {}", there.join(" and "));
            let fix = "make a case of each";
            self.complaints
                .error_with_fix(fields.place(second), message, fix);
        }
        let key = there.first()?;
        let node = fields.find(key)?;
        let operation = match *key {
            "http" => {
                let (request, status) = self.http_request(node)?;
                return Some((Operation::Http(request), status));
            }
            "postgres" => self.sql_message(node, sql).map(Operation::Postgres),
            "dns" => self.dns_question(node).map(Operation::Dns),
            _ => {
                let looks_like = self.text(node)?.to_owned();
                Some(Operation::Opaque(OpaqueStream { looks_like }))
            }
        };
        operation.map(|operation| (operation, None))
    }

    fn http_request(&mut self, node: &Node) -> Option<(HttpRequest, Option<u16>)> {
        let fields = self.fields(node, &keys::HTTP)?;
        let headers = fields
            .find("header")
            .map(|n| self.labels(n))
            .unwrap_or_default();
        let (from, to) = (u64::from(*STATUSES.start()), u64::from(*STATUSES.end()));
        let status = fields
            .find("status")
            .and_then(|node| self.number(node, from, to));
        let request = HttpRequest {
            method: self.field_text(fields, "method", "GET"),
            path: self.field_text(fields, "path", "/"),
            query: None,
            host: None,
            headers: headers.into_iter().collect(),
            upgrade: None,
            body: HttpBody::None,
        };
        Some((request, status.and_then(|status| status.try_into().ok())))
    }

    fn sql_message(&mut self, node: &Node, sql: SqlParser<'_>) -> Option<SqlMessage> {
        let fields = self.fields(node, &keys::POSTGRES)?;
        let statements = match fields.find("sql") {
            Some(text) => sql(self.text(text)?),
            None => vec![self.statement(fields)],
        };
        Some(SqlMessage {
            via: "query".to_owned(),
            statements,
            database: self.field_text(fields, "database", "app"),
            user: self.field_text(fields, "user", "app"),
        })
    }

    fn statement(&mut self, fields: Fields<'_>) -> Statement {
        let effect = fields
            .find("effect")
            .and_then(|node| self.word(node, EFFECTS));
        let known = fields
            .find("tables_known")
            .and_then(|node| self.boolean(node));
        Statement {
            text: self.field_text(fields, "kind", "unknown"),
            effect: effect.unwrap_or(Effect::Unknown),
            kind: self.field_text(fields, "kind", "unknown"),
            reads: self.field_texts(fields, "reads"),
            writes: self.field_texts(fields, "writes"),
            columns: self.field_texts(fields, "columns"),
            tables_known: known.unwrap_or(true),
        }
    }

    fn dns_question(&mut self, node: &Node) -> Option<DnsQuestion> {
        let fields = self.fields(node, &keys::DNS)?;
        let name = self.text(fields.find("name")?)?.to_ascii_lowercase();
        Some(DnsQuestion {
            name,
            r#type: self.field_text(fields, "type", "A"),
        })
    }

    fn expect(&mut self, node: &Node) -> Option<Expect> {
        let nothing_more = |verdict| Expect {
            verdict,
            rule: None,
            would_be: None,
            masks: None,
            expected: None,
        };
        if !matches!(node.value, Value::Map(_)) {
            return self.word(node, VERDICTS).map(nothing_more);
        }
        let fields = self.fields(node, &keys::EXPECT)?;
        let verdict = fields
            .find("verdict")
            .and_then(|node| self.word(node, VERDICTS))?;
        let masks = fields.find("masks").map(|node| match &node.value {
            Value::List(items) if items.is_empty() => Vec::new(),
            _ => self
                .texts(node)
                .into_iter()
                .map(|(text, _)| text.to_owned())
                .collect(),
        });
        Some(Expect {
            rule: fields
                .find("rule")
                .and_then(|n| self.text(n))
                .map(str::to_owned),
            would_be: fields
                .find("would_be")
                .and_then(|node| self.word(node, VERDICTS)),
            masks,
            expected: fields.find("expected").and_then(|node| self.boolean(node)),
            ..nothing_more(verdict)
        })
    }
}

fn exec(tgid: u32, exe: String) -> Exec {
    let process = ProcessId {
        tgid,
        started: tgid.into(),
    };
    Exec {
        id: ExecId {
            boot: BootId::nil(),
            process,
            ordinal: 1,
        },
        pid: tgid,
        argv: vec![exe.clone()],
        exe,
        argv_state: ArgvState::Whole,
        cwd: "/".to_owned(),
        uid: 1000,
        cgroup: 1,
        started: Default::default(),
        how: How::Exec,
        image: None,
        exe_sha256: None,
        exe_sha256_unknown: None,
    }
}
