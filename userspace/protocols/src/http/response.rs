//! The head of a response (RFC 9112 section 4). The server is hostile input too.

use std::mem::MaybeUninit;

use httparse::Header;

use super::error::Fault;
use super::fields::{Body, Fields, Version, malformed};
use super::limits::HEAD_FIELDS;

/// The coding of a body (RFC 9110 section 8.4.1), as far as the gate can take it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// None.
    Identity,
    /// `gzip`, `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), or what some servers mean by it (RFC 1951).
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
    /// Anything else, or more than one.
    Unknown,
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// Its status.
    pub status: u16,
    /// The version that the server speaks.
    pub version: Version,
    /// How its body ends.
    pub body: Body,
    /// Whether the server goes on after it.
    pub keep_alive: bool,
    /// The coding of its body.
    pub coding: Coding,
    /// Its media type in lower case, without parameters.
    pub media_type: Option<String>,
    /// Whether it is a part of a representation (206, Content-Range).
    pub partial: bool,
    /// What a 101 changes to, in lower case.
    pub upgrade: Option<String>,
}

impl ResponseHead {
    /// Reads a complete head. `to_head` is whether the request's method was HEAD.
    ///
    /// # Errors
    /// Whatever a client and the gate could read differently, and what is over a limit.
    pub fn parse(head: &[u8], to_head: bool) -> Result<Self, Fault> {
        let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; HEAD_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, head, &mut space)
            .map_err(malformed)?;
        if status.is_partial() {
            return Err(Fault::Malformed("its end"));
        }
        let version = Version::of(parsed.version)?;
        let status = parsed.code.filter(|code| (100..=599).contains(code));
        let status = status.ok_or(Fault::Malformed("the status"))?;
        let fields = Fields(parsed.headers);
        fields.refuse_lookalikes()?;
        Ok(Self {
            status,
            version,
            body: body(status, to_head, fields.framing(version)?),
            keep_alive: fields.keeps_alive(version),
            coding: coding(fields),
            media_type: media_type(fields),
            partial: status == 206 || fields.all("content-range").next().is_some(),
            upgrade: fields.list("upgrade").next(),
        })
    }

    /// Whether the final response is still to come (RFC 9110 section 15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// RFC 9112 section 6.3, rules 1 and 8.
fn body(status: u16, to_head: bool, framing: Body) -> Body {
    match (status, framing) {
        _ if to_head => Body::None,
        (100..=199 | 204 | 304, _) => Body::None,
        (_, Body::None) => Body::UntilClose,
        (_, framing) => framing,
    }
}

fn coding(fields: Fields<'_>) -> Coding {
    let mut codings = fields
        .list("content-encoding")
        .filter(|coding| coding != "identity");
    match (codings.next().as_deref(), codings.next()) {
        (None, _) => Coding::Identity,
        (Some("gzip" | "x-gzip"), None) => Coding::Gzip,
        (Some("deflate"), None) => Coding::Deflate,
        (Some("br"), None) => Coding::Brotli,
        (Some("zstd"), None) => Coding::Zstd,
        (Some(_), _) => Coding::Unknown,
    }
}

fn media_type(fields: Fields<'_>) -> Option<String> {
    let value = fields.all("content-type").next()?;
    let essence = value.split(|b| *b == b';').next()?;
    Some(String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase())
}
