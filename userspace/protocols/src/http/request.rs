//! The head of a request (RFC 9112 section 3).

use std::mem::MaybeUninit;

use httparse::Header;
use sluice_flow::{HttpBody, HttpRequest};

use super::error::Fault;
use super::fields::{Body, Fields, Version, malformed};
use super::limits::{HEAD_FIELDS, TARGET_BYTES, UPGRADE_BYTES};
use super::target;

/// Whether a request asks for another protocol on its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgrade {
    /// It does not.
    No,
    /// Only to HTTP/2 in clear, which the gate does not speak: the wish is taken off the request,
    /// as a server may ignore it (RFC 9110 section 7.8). Java's client always sends it.
    TakenOff,
    /// To this protocol, in lower case.
    To(String),
}

/// The head of a request, as far as forwarding it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Whether its response has no body whatever its head says (RFC 9112 section 6.3).
    pub is_head: bool,
    /// The version that the client speaks.
    pub version: Version,
    /// How its body ends.
    pub body: Body,
    /// Whether the client goes on after the response.
    pub keep_alive: bool,
    /// `Expect: 100-continue`.
    pub expects_continue: bool,
    /// Whether it asks for another protocol.
    pub upgrade: Upgrade,
}

impl RequestHead {
    /// Reads a complete head, as [`HeadScan`](super::scan::HeadScan) found it: what a policy is
    /// asked, and what forwarding needs.
    ///
    /// # Errors
    /// Whatever a server and the gate could read differently, CONNECT, and what is over a limit.
    pub fn parse(head: &[u8]) -> Result<(HttpRequest, Self), Fault> {
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; HEAD_FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed
            .parse_with_uninit_headers(head, &mut space)
            .map_err(malformed)?;
        if status.is_partial() {
            return Err(Fault::Malformed("its end"));
        }
        let version = Version::of(parsed.version)?;
        let method = parsed
            .method
            .ok_or(Fault::Malformed("the method or target"))?;
        let target = parsed
            .path
            .ok_or(Fault::Malformed("the method or target"))?;
        if target.len() > TARGET_BYTES {
            return Err(Fault::TargetTooLong);
        }
        let fields = Fields(parsed.headers);
        fields.refuse_lookalikes()?;
        let target = target::parse(method, target)?;
        let body = fields.framing(version)?;
        let upgrade = upgrade(fields, body)?;
        let request = HttpRequest {
            method: method.to_owned(),
            path: target.path,
            query: target.query,
            host: host(fields, version, target.authority)?,
            headers: all_text(fields),
            upgrade: match &upgrade {
                Upgrade::To(protocol) => Some(protocol.clone()),
                Upgrade::No | Upgrade::TakenOff => None,
            },
            body: match body {
                Body::None | Body::Length(0) => HttpBody::None,
                Body::Length(_) | Body::Chunked | Body::UntilClose => HttpBody::Unread,
            },
        };
        let head = Self {
            is_head: method == "HEAD",
            version,
            body,
            keep_alive: fields.keeps_alive(version),
            expects_continue: expects_continue(fields)?,
            upgrade,
        };
        Ok((request, head))
    }
}

/// Field values are text for policies and records; bytes outside of UTF-8 are replaced there only.
fn all_text(fields: Fields<'_>) -> Vec<(String, String)> {
    let text = |field: &Header<'_>| {
        let value = String::from_utf8_lossy(field.value.trim_ascii()).into_owned();
        (field.name.to_owned(), value)
    };
    fields.0.iter().map(text).collect()
}

/// The one host that the request names (RFC 9112 section 3.2.2). An absolute target must agree
/// with the Host field: servers differ in which of them they believe.
fn host(
    fields: Fields<'_>,
    version: Version,
    authority: Option<String>,
) -> Result<Option<String>, Fault> {
    let mut hosts = fields.all("host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::Host("sent more than once"));
    }
    let Some(host) = host else {
        return match (version, authority) {
            (Version::Http11, _) => Err(Fault::Host("missing")),
            (Version::Http10, Some(authority)) => checked_host(authority.as_bytes()).map(Some),
            (Version::Http10, None) => Ok(None),
        };
    };
    let host = checked_host(host)?;
    if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(&host)) {
        return Err(Fault::Host("another one than the target's"));
    }
    Ok(Some(host))
}

fn checked_host(host: &[u8]) -> Result<String, Fault> {
    let part_of_host = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+=:[]%".contains(b);
    if host.is_empty() {
        return Err(Fault::Host("empty"));
    }
    if !host.iter().all(part_of_host) {
        return Err(Fault::Host("not a name or an address"));
    }
    Ok(String::from_utf8_lossy(host).into_owned())
}

fn expects_continue(fields: Fields<'_>) -> Result<bool, Fault> {
    let mut expectations = fields.all("expect");
    match (expectations.next(), expectations.next()) {
        (None, _) => Ok(false),
        (Some(one), None) if one.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        (Some(_), _) => Err(Fault::Expect),
    }
}

/// An Upgrade field counts with or without `Connection: upgrade`: some servers do not look.
fn upgrade(fields: Fields<'_>, body: Body) -> Result<Upgrade, Fault> {
    let (clear_http2, mut others): (Vec<_>, Vec<_>) = fields
        .list("upgrade")
        .partition(|protocol| protocol == "h2c" || protocol == "h2");
    match (others.pop(), others.is_empty(), clear_http2.is_empty()) {
        (None, _, true) if fields.all("upgrade").next().is_none() => Ok(Upgrade::No),
        (None, _, false) => Ok(Upgrade::TakenOff),
        (Some(protocol), true, true)
            if protocol.len() <= UPGRADE_BYTES && matches!(body, Body::None | Body::Length(0)) =>
        {
            Ok(Upgrade::To(protocol))
        }
        (_, _, _) => Err(Fault::Upgrade),
    }
}
