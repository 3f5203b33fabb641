//! What a flow asks for: the `what` block against a destination and an operation.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use sluice_flow::operation::OpaqueStream;
use sluice_flow::{DnsQuestion, HostFact, HttpRequest, Operation, SqlMessage, Statement};
use smallvec::{SmallVec, smallvec};

use crate::glob::Glob;
use crate::postgres::Postgres;
use crate::truth::{AllOf, Side, Truth};

/// What is known of the status of a request's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The answer is judged when it is there. Until then a rule errs to the side of the request:
    /// what could let it pass counts as a match, what could refuse it as none.
    ToCome,
    /// It is this one.
    Known(u16),
    /// It is not told.
    Unknown,
}

/// An operation as far as it has come, and by which name of its destination it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) status: Status,
    pub(crate) host: &'a HostFact,
}

impl<'a> Subject<'a> {
    /// What it asks for: each statement by itself.
    pub(crate) fn asked(&self) -> SmallVec<[Asked<'a>; 2]> {
        match self.operation {
            Operation::Opaque(stream) => smallvec![Asked::Opaque(stream)],
            Operation::Http(request) => smallvec![Asked::Http(request, self.status)],
            Operation::Dns(question) => smallvec![Asked::Dns(question)],
            Operation::Postgres(message) if message.statements.is_empty() => {
                smallvec![Asked::Postgres(message, None)]
            }
            Operation::Postgres(message) => message
                .statements
                .iter()
                .map(|s| Asked::Postgres(message, Some(s)))
                .collect(),
        }
    }
}

/// What is judged: one operation, or one statement of one, or the connection itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// The connection, before its protocol is known.
    Connect,
    /// A request, or its answer.
    Http(&'a HttpRequest, Status),
    /// `None`: a message of which nothing could be told.
    Postgres(&'a SqlMessage, Option<&'a Statement>),
    Dns(&'a DnsQuestion),
    Opaque(&'a OpaqueStream),
}

/// The protocol of what is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Http,
    Postgres,
    Dns,
    Opaque,
}

impl Asked<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Connect => Kind::Connect,
            Self::Http(..) => Kind::Http,
            Self::Postgres(..) => Kind::Postgres,
            Self::Dns(_) => Kind::Dns,
            Self::Opaque(_) => Kind::Opaque,
        }
    }
}

/// What an L7 block that belongs to `protocol` is worth before its keys are looked at.
fn decoded(kind: Kind, protocol: Kind) -> Truth {
    match kind {
        // An opaque stream may be anything, and so may a connection that has not begun.
        Kind::Connect | Kind::Opaque => Truth::Unknown,
        Kind::Http | Kind::Postgres | Kind::Dns => (kind == protocol).into(),
    }
}

/// The `http` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Http {
    pub(crate) method: Vec<String>,
    pub(crate) path: Vec<Glob>,
    pub(crate) header: Vec<(String, Vec<Glob>)>,
    pub(crate) status: Vec<RangeInclusive<u16>>,
}

impl Http {
    fn keys(&self, request: &HttpRequest, status: Status, side: Side, all: &mut AllOf<'_>) {
        if !self.method.is_empty() {
            all.key("http.method", || self.method(&request.method, side).into());
        }
        if !self.path.is_empty() {
            all.key("http.path", || {
                self.path.iter().any(|g| g.matches(&request.path)).into()
            });
        }
        for (name, globs) in &self.header {
            all.key("http.header", || header(request, name, globs, side).into());
        }
        if !self.status.is_empty() {
            all.key("http.status", || self.status(status, side));
        }
    }

    fn status(&self, status: Status, side: Side) -> Truth {
        match status {
            Status::ToCome => (side == Side::Opens).into(),
            Status::Known(code) => self.status.iter().any(|s| s.contains(&code)).into(),
            Status::Unknown => Truth::Unknown,
        }
    }

    /// Methods are compared as they are (RFC 9110 section 9.1); what closes a door also
    /// closes it to a server that does not care for case.
    fn method(&self, method: &str, side: Side) -> bool {
        self.method.iter().any(|wanted| match side {
            Side::Opens => wanted == method,
            Side::Closes => wanted.eq_ignore_ascii_case(method),
        })
    }
}

/// A field may be sent several times: to open, each value must match; to close, one.
fn header(request: &HttpRequest, name: &str, globs: &[Glob], side: Side) -> bool {
    let matches = |value: &str| globs.iter().any(|glob| glob.matches(value));
    let named = request
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut values = named.map(|(_, value)| value.trim()).peekable();
    match side {
        Side::Opens => values.peek().is_some() && values.all(matches),
        Side::Closes => values.any(matches),
    }
}

/// The `dns` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dns {
    pub(crate) name: Vec<Glob>,
    pub(crate) types: Vec<String>,
}

impl Dns {
    fn keys(&self, question: &DnsQuestion, all: &mut AllOf<'_>) {
        if !self.name.is_empty() {
            all.key("dns.name", || {
                self.name.iter().any(|g| g.matches(&question.name)).into()
            });
        }
        if !self.types.is_empty() {
            all.key("dns.type", || {
                self.types
                    .iter()
                    .any(|t| t.eq_ignore_ascii_case(&question.r#type))
                    .into()
            });
        }
    }
}

/// The `what` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct What {
    pub(crate) host: Vec<Glob>,
    pub(crate) cidr: Vec<IpNet>,
    pub(crate) port: Vec<RangeInclusive<u16>>,
    pub(crate) protocol: Vec<String>,
    pub(crate) http: Option<Http>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) dns: Option<Dns>,
}

impl What {
    /// The keys that a flow answers once and for all: `cidr` and `port`.
    pub(crate) fn address_keys(&self, ip: IpAddr, port: u16, all: &mut AllOf<'_>) {
        if !self.cidr.is_empty() {
            all.key("cidr", || {
                self.cidr.iter().any(|net| net.contains(&ip)).into()
            });
        }
        if !self.port.is_empty() {
            all.key("port", || {
                self.port.iter().any(|range| range.contains(&port)).into()
            });
        }
    }

    /// The name of the destination. For a DNS question it is the name that is asked for.
    pub(crate) fn host_keys(&self, host: &HostFact, asked: &Asked<'_>, all: &mut AllOf<'_>) {
        if self.host.is_empty() {
            return;
        }
        all.key("host", || match asked {
            Asked::Dns(question) => self.names(&question.name).into(),
            Asked::Connect | Asked::Http(..) | Asked::Postgres(..) | Asked::Opaque(_) => {
                self.host_truth(host)
            }
        });
    }

    pub(crate) fn host_truth(&self, host: &HostFact) -> Truth {
        match host {
            HostFact::Proved(name) => self.names(name).into(),
            HostFact::Ambiguous(names) => {
                let matching = names.iter().filter(|name| self.names(name)).count();
                match matching {
                    0 => Truth::False,
                    _ if matching == names.len() => Truth::True,
                    _ => Truth::Unknown,
                }
            }
            HostFact::Unknown | HostFact::Disagree { .. } => Truth::Unknown,
        }
    }

    pub(crate) fn names(&self, name: &str) -> bool {
        self.host.iter().any(|glob| glob.matches(name))
    }

    /// The keys that each operation answers for itself: `protocol` and the L7 blocks.
    pub(crate) fn asked_keys(&self, asked: &Asked<'_>, side: Side, all: &mut AllOf<'_>) {
        if !self.protocol.is_empty() {
            all.key("protocol", || self.protocol_truth(asked));
        }
        let kind = asked.kind();
        if let Some(http) = &self.http {
            all.key("http", || decoded(kind, Kind::Http));
            if let Asked::Http(request, status) = asked {
                http.keys(request, *status, side, all);
            }
        }
        if let Some(postgres) = &self.postgres {
            all.key("postgres", || decoded(kind, Kind::Postgres));
            if let Asked::Postgres(message, statement) = asked {
                postgres.keys(message, *statement, side, all);
            }
        }
        if let Some(dns) = &self.dns {
            all.key("dns", || decoded(kind, Kind::Dns));
            if let Asked::Dns(question) = asked {
                dns.keys(question, all);
            }
        }
    }

    /// An opaque stream is `opaque` and what it looks like for certain, and may be anything.
    fn protocol_truth(&self, asked: &Asked<'_>) -> Truth {
        let named = |name: &str| self.protocol.iter().any(|p| p == name);
        match asked {
            Asked::Connect => Truth::Unknown,
            Asked::Http(..) => named("http").into(),
            Asked::Postgres(..) => named("postgres").into(),
            Asked::Dns(_) => named("dns").into(),
            Asked::Opaque(stream) if named("opaque") || named(&stream.looks_like) => Truth::True,
            Asked::Opaque(_) => Truth::Unknown,
        }
    }

    /// Whether a kind of operation can match at all, whatever it asks for.
    pub(crate) fn can_be(&self, kind: Kind) -> bool {
        let blocks = [
            (self.http.is_some(), Kind::Http),
            (self.postgres.is_some(), Kind::Postgres),
            (self.dns.is_some(), Kind::Dns),
        ];
        let block_fits =
            |(there, protocol): (bool, Kind)| !there || decoded(kind, protocol) != Truth::False;
        let named =
            |name: &str| self.protocol.is_empty() || self.protocol.iter().any(|p| p == name);
        let protocol_fits = match kind {
            Kind::Connect | Kind::Opaque => true,
            Kind::Http => named("http"),
            Kind::Postgres => named("postgres"),
            Kind::Dns => named("dns"),
        };
        protocol_fits && blocks.into_iter().all(block_fits)
    }

    /// Whether it opens opaque streams: what is not understood is let through only by a rule
    /// that says so, with the protocol's name and the port.
    pub(crate) fn names_opaque(&self) -> bool {
        let opaque = |p: &String| !crate::keys::DECODED.contains(&p.as_str());
        !self.port.is_empty() && self.protocol.iter().any(opaque)
    }

    /// Whether it is about streams that are not understood too: it names neither a protocol
    /// that is, nor anything inside of one.
    pub(crate) fn is_about_opaque(&self) -> bool {
        let opaque = |p: &String| !crate::keys::DECODED.contains(&p.as_str());
        let named = self.protocol.is_empty() || self.protocol.iter().any(opaque);
        named && !self.looks_inside()
    }

    /// Whether it looks into operations.
    pub(crate) fn looks_inside(&self) -> bool {
        self.http.is_some() || self.postgres.is_some() || self.dns.is_some()
    }
}

#[cfg(test)]
#[path = "what_tests.rs"]
mod tests;
