//! What the fields of a head say of its message: where the body ends, whether the connection
//! goes on. The strict side of RFC 9112 section 6, for both directions.

use httparse::Header;

use super::error::Fault;

/// HTTP/1.0 or HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0 (RFC 1945).
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
}

impl Version {
    /// From httparse's minor version.
    pub(super) fn of(minor: Option<u8>) -> Result<Self, Fault> {
        match minor {
            Some(0) => Ok(Self::Http10),
            Some(1) => Ok(Self::Http11),
            Some(_) | None => Err(Fault::Version),
        }
    }
}

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks and a trailer section.
    Chunked,
    /// All until the connection ends; responses only.
    UntilClose,
}

/// The fields of a head, by what they are asked for.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [Header<'a>]);

impl<'a> Fields<'a> {
    /// Values of all fields of this name, in order, without white space around them.
    pub fn all(self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// Elements of a comma-separated list field, in lower case.
    pub fn list(self, name: &'a str) -> impl Iterator<Item = String> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(|element| String::from_utf8_lossy(element.trim_ascii()).to_ascii_lowercase())
            .filter(|element| !element.is_empty())
    }

    /// Refuses names and values that a lenient peer would read as a framing field.
    pub(super) fn refuse_lookalikes(self) -> Result<(), Fault> {
        for field in self.0 {
            if field.name.contains('_') && frames_when_dashed(field.name) {
                return Err(Fault::Lookalike);
            }
            if field
                .value
                .iter()
                .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
            {
                return Err(Fault::Malformed("a control character in a field value"));
            }
        }
        let kept = [
            "content-length",
            "transfer-encoding",
            "host",
            "expect",
            "authorization",
            "cookie",
        ];
        if self
            .list("connection")
            .any(|token| kept.contains(&token.as_str()))
        {
            return Err(Fault::Connection);
        }
        Ok(())
    }

    /// The one Content-Length, where there is one; and whether the message is chunked.
    pub(super) fn framing(self, version: Version) -> Result<Body, Fault> {
        let mut lengths = self.all("content-length");
        let length = lengths.next();
        if lengths.next().is_some() {
            return Err(Fault::SeveralLengths);
        }
        let mut codings = self.all("transfer-encoding");
        let coding = codings.next();
        match (length, coding) {
            (Some(_), Some(_)) => Err(Fault::LengthAndCoding),
            (Some(length), None) => Ok(Body::Length(decimal(length)?)),
            (None, None) => Ok(Body::None),
            (None, Some(coding)) => {
                let chunked = coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
                if chunked && version == Version::Http11 {
                    Ok(Body::Chunked)
                } else {
                    Err(Fault::Coding)
                }
            }
        }
    }

    /// Whether the connection may go on after this message (RFC 9112 section 9.3).
    pub(super) fn keeps_alive(self, version: Version) -> bool {
        let (mut close, mut keep) = (false, false);
        for token in self.list("connection") {
            close |= token == "close";
            keep |= token == "keep-alive";
        }
        match version {
            Version::Http11 => !close,
            Version::Http10 => keep && !close,
        }
    }
}

fn frames_when_dashed(name: &str) -> bool {
    let dashed = name.replace('_', "-").to_ascii_lowercase();
    matches!(dashed.as_str(), "content-length" | "transfer-encoding")
}

/// `1*DIGIT` of RFC 9112 section 6.2: `str::parse` alone would take a sign.
fn decimal(digits: &[u8]) -> Result<u64, Fault> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Length);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Fault::Length)?;
    text.parse().map_err(|_| Fault::Length)
}

/// What httparse found, in its own words.
pub(super) fn malformed(error: httparse::Error) -> Fault {
    Fault::Malformed(match error {
        httparse::Error::HeaderName => "a field name",
        httparse::Error::HeaderValue => "a field value",
        httparse::Error::NewLine => "a line end",
        httparse::Error::Status => "the status",
        httparse::Error::Token => "the method or target",
        httparse::Error::TooManyHeaders => return Fault::TooManyFields,
        httparse::Error::Version => return Fault::Version,
    })
}
