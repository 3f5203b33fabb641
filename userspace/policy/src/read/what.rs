//! The `what` block.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use sluice_flow::Effect;

use crate::diagnostic::Span;
use crate::glob::{Glob, Parts};
use crate::keys;
use crate::postgres::{DottedGlob, Postgres};
use crate::read::Reader;
use crate::read::fields::short;
use crate::what::{Dns, Http, What};
use crate::yaml::{Node, Value};

/// A number with its unit: `30s`, `10m`, `2h`, `90d`.
pub(crate) fn read_duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Statuses that an answer of HTTP can have (RFC 9110 section 15).
pub(crate) const STATUSES: RangeInclusive<u16> = 100..=599;

const EFFECTS: &[(&str, Effect)] = &[
    ("read", Effect::Read),
    ("write", Effect::Write),
    ("ddl", Effect::Ddl),
    ("admin", Effect::Admin),
    ("unknown", Effect::Unknown),
];

impl Reader<'_> {
    pub(super) fn what(&mut self, node: &Node) -> What {
        let Some(fields) = self.fields(node, &keys::WHAT) else {
            return What::default();
        };
        if fields.is_empty() {
            let fix = "leave `what` out: a rule without it is for every operation";
            self.complaints
                .error_with_fix(node.span, "`what` names nothing", fix);
        }
        let what = What {
            host: fields
                .find("host")
                .map(|n| self.hosts(n))
                .unwrap_or_default(),
            cidr: fields
                .find("cidr")
                .map(|n| self.networks(n))
                .unwrap_or_default(),
            port: fields
                .find("port")
                .map(|n| self.ports(n))
                .unwrap_or_default(),
            protocol: fields
                .find("protocol")
                .map(|n| self.protocols(n))
                .unwrap_or_default(),
            http: fields.find("http").map(|n| self.http(n)),
            postgres: fields.find("postgres").map(|n| self.postgres(n)),
            dns: fields.find("dns").map(|n| self.dns(n)),
        };
        let inside = [
            ("http", what.http.is_some()),
            ("postgres", what.postgres.is_some()),
            ("dns", what.dns.is_some()),
        ];
        let named: Vec<&str> = inside
            .iter()
            .filter(|(_, there)| *there)
            .map(|(n, _)| *n)
            .collect();
        if named.len() > 1 {
            let message = format!("no operation is {} at once", named.join(" and "));
            self.complaints
                .error_with_fix(fields.span, message, "make a rule of each");
        }
        what
    }

    fn hosts(&mut self, node: &Node) -> Vec<Glob> {
        let texts = self.texts(node);
        texts
            .into_iter()
            .filter_map(|(text, span)| self.host(text, span))
            .collect()
    }

    /// A name in lower case; an address is no name.
    fn host(&mut self, text: &str, span: Span) -> Option<Glob> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let complain = |this: &mut Self, what: &str, fix: String| {
            let message = format!("`{}` is no host: {what}", short(text));
            this.complaints.error_with_fix(span, message, fix);
            None
        };
        if bare.parse::<IpAddr>().is_ok() || bare.parse::<IpNet>().is_ok() {
            let fix = format!("a host glob never matches an address: write `cidr: {bare}`");
            return complain(self, "it is an address", fix);
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            let fix = format!("hosts are in lower case: `{}`", text.to_ascii_lowercase());
            return complain(self, "it has capital letters", fix);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            return complain(
                self,
                &format!("`{scheme}://` is a URL's"),
                format!("write `{host}`"),
            );
        }
        if let Some((name, port)) = text.rsplit_once(':')
            && port.bytes().all(|b| b.is_ascii_digit())
        {
            let fix = format!("write `host: {name}` and `port: {port}`");
            return complain(self, "it has a port", fix);
        }
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.*".contains(&b);
        if !text.bytes().all(name) || text.ends_with('.') || text.starts_with('.') {
            let fix = "letters a-z (a name in another script as `xn--`), digits, `-`, `.` and \
                       globs: `registry.npmjs.org`, `*.example.com`";
            return complain(
                self,
                "it has other characters or a dot at its end",
                fix.to_owned(),
            );
        }
        self.glob(text, span, Parts::Dotted)
    }

    fn networks(&mut self, node: &Node) -> Vec<IpNet> {
        let texts = self.texts(node);
        texts
            .into_iter()
            .filter_map(|(text, span)| self.network(text, span))
            .collect()
    }

    fn network(&mut self, text: &str, span: Span) -> Option<IpNet> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(IpNet::from(ip.to_canonical()));
        }
        let Ok(network) = text.parse::<IpNet>() else {
            let message = format!("`{}` is no network", short(text));
            let fix = "for example 192.0.2.0/24, 2001:db8::/32 or one address";
            self.complaints.error_with_fix(span, message, fix);
            return None;
        };
        if network.trunc() != network {
            let message = format!("{network} has bits behind its prefix");
            let fix = format!("write {} or one address", network.trunc());
            self.complaints.error_with_fix(span, message, fix);
            return None;
        }
        Some(network)
    }

    fn ports(&mut self, node: &Node) -> Vec<RangeInclusive<u16>> {
        let values = self.values(node);
        values.iter().filter_map(|value| self.port(value)).collect()
    }

    fn port(&mut self, node: &Node) -> Option<RangeInclusive<u16>> {
        let text = match &node.value {
            Value::Scalar { text, .. } => text.as_str(),
            Value::List(_) | Value::Map(_) => "",
        };
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(from), Ok(to)) if 0 < from && from <= to => Some(from..=to),
            _ => {
                let message = format!("`{}` is no port", short(text));
                let fix = "1 to 65535, a range `8000-8999`, or a list of them";
                self.complaints.error_with_fix(node.span, message, fix);
                None
            }
        }
    }

    fn protocols(&mut self, node: &Node) -> Vec<String> {
        let words: Vec<(&str, &str)> = keys::PROTOCOLS.iter().map(|p| (*p, *p)).collect();
        let values = self.values(node);
        values
            .iter()
            .filter_map(|v| self.word(v, &words).map(str::to_owned))
            .collect()
    }

    fn http(&mut self, node: &Node) -> Http {
        let Some(fields) = self.fields(node, &keys::HTTP) else {
            return Http::default();
        };
        let method = fields
            .find("method")
            .map(|n| self.methods(n))
            .unwrap_or_default();
        let path = self.globs(fields.find("path"), Parts::Path);
        for glob in &path {
            self.http_path(glob, fields.place("path"));
        }
        Http {
            method,
            path,
            header: self.named_globs(fields.find("header"), Parts::One),
            status: fields
                .find("status")
                .map(|n| self.statuses(n))
                .unwrap_or_default(),
        }
    }

    fn http_path(&mut self, glob: &Glob, span: Span) {
        let text = glob.text();
        if !text.starts_with('/') && !text.starts_with('*') {
            let message = format!("`{}` never matches: paths start with `/`", short(text));
            self.complaints
                .error_with_fix(span, message, format!("`/{text}`"));
        }
        if text.contains('?') {
            let message = format!("`{}` never matches: a path ends before `?`", short(text));
            let path = text.split('?').next().unwrap_or_default();
            self.complaints
                .error_with_fix(span, message, format!("`{path}`"));
        }
    }

    /// Tokens of RFC 9110 section 5.6.2 in upper case.
    fn methods(&mut self, node: &Node) -> Vec<String> {
        let mut methods = Vec::new();
        for (text, span) in self.texts(node) {
            let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_".contains(&b);
            if text.is_empty() || !text.bytes().all(plain) {
                let message = format!("`{}` is no method", short(text));
                let fix = format!("in upper case: `{}`", text.to_ascii_uppercase());
                self.complaints.error_with_fix(span, message, fix);
            } else {
                methods.push(text.to_owned());
            }
        }
        methods
    }

    fn statuses(&mut self, node: &Node) -> Vec<RangeInclusive<u16>> {
        let values = self.values(node);
        values
            .iter()
            .filter_map(|value| self.status(value))
            .collect()
    }

    fn status(&mut self, node: &Node) -> Option<RangeInclusive<u16>> {
        let (text, quoted) = match &node.value {
            Value::Scalar { text, quoted } => (text.as_str(), *quoted),
            Value::List(_) | Value::Map(_) => ("", false),
        };
        let number = text.parse().ok().filter(|code| STATUSES.contains(code));
        let lower = text.to_ascii_lowercase();
        let fix = match (status_class(text), number, status_class(&lower)) {
            (Some(class), _, _) => return Some(class),
            (None, Some(code), _) if !quoted && text.len() == 3 => return Some(code..=code),
            (None, Some(code), _) => format!("without quotes, three digits: {code}"),
            (None, None, Some(_)) => format!("in lower case: `{lower}`"),
            (None, None, None) => "100 to 599, a class `5xx`, or a list of them".to_owned(),
        };
        let message = format!("`{}` is no status", short(text));
        self.complaints.error_with_fix(node.span, message, fix);
        None
    }

    fn postgres(&mut self, node: &Node) -> Postgres {
        let Some(fields) = self.fields(node, &keys::POSTGRES) else {
            return Postgres::default();
        };
        Postgres {
            effect: fields
                .find("effect")
                .map(|n| self.effects(n))
                .unwrap_or_default(),
            statement: self.globs(fields.find("statement"), Parts::One),
            table: self.dotted(fields.find("table")),
            column: self.dotted(fields.find("column")),
            database: self.globs(fields.find("database"), Parts::One),
            user: self.globs(fields.find("user"), Parts::One),
        }
    }

    fn effects(&mut self, node: &Node) -> Vec<Effect> {
        let values = self.values(node);
        values
            .iter()
            .filter_map(|value| self.word(value, EFFECTS))
            .collect()
    }

    fn dotted(&mut self, node: Option<&Node>) -> Vec<DottedGlob> {
        let Some(node) = node else { return Vec::new() };
        let mut globs = Vec::new();
        for (text, span) in self.texts(node) {
            match DottedGlob::new(text) {
                Ok(glob) => globs.push(glob),
                Err(error) => self.complaints.error(span, error.to_string()),
            }
        }
        globs
    }

    fn dns(&mut self, node: &Node) -> Dns {
        let Some(fields) = self.fields(node, &keys::DNS) else {
            return Dns::default();
        };
        let types = fields
            .find("type")
            .map(|n| self.texts(n))
            .unwrap_or_default();
        Dns {
            name: fields
                .find("name")
                .map(|n| self.hosts(n))
                .unwrap_or_default(),
            types: types
                .into_iter()
                .map(|(text, _)| text.to_ascii_uppercase())
                .collect(),
        }
    }
}

/// `5xx`: all statuses that begin with a digit (RFC 9110 section 15).
fn status_class(text: &str) -> Option<RangeInclusive<u16>> {
    let first: u16 = text.strip_suffix("xx")?.parse().ok()?;
    let from = first.checked_mul(100)?;
    (text.len() == 3 && STATUSES.contains(&from)).then(|| from..=from.saturating_add(99))
}
