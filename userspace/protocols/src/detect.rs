//! Which protocol a flow speaks, by the first bytes of its client.
//!
//! Pure: it says what the bytes so far look like, never more than the bytes can tell. A protocol
//! whose server speaks first gives nothing to look at; the proxy waits for a moment, and calls
//! it unknown then. A wrong guess opens nothing: whatever is detected is read strictly by that
//! protocol's codec, and `Unknown` is refused unless a rule allows it as opaque.

/// The most that [`detect`] ever needs to see.
pub const PREFIX_BYTES: usize = 32;

/// The longest method that is taken for HTTP (`BASELINE-CONTROL` of RFC 3253 is the longest
/// registered one but two).
const METHOD_BYTES: usize = 20;

/// What the first bytes of a client are.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// A request line of HTTP/1 (RFC 9112 section 3), or of HTTP/2's preface (`PRI`), which the
    /// HTTP loop refuses in HTTP's words.
    Http,
    /// A startup packet, SSLRequest, GSSENCRequest or CancelRequest of PostgreSQL.
    Postgres,
    /// A TLS handshake record (RFC 8446 section 5.1).
    Tls,
    /// An SSH identification (RFC 4253 section 4.2).
    Ssh,
    /// None of them, or not only one.
    Unknown,
    /// More bytes are needed.
    NeedMore,
}

impl Detection {
    /// What an opaque stream of it is called in rules and records.
    #[must_use]
    pub fn looks_like(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Postgres => "postgres",
            Self::Tls => "tls",
            Self::Ssh => "ssh",
            Self::Unknown | Self::NeedMore => "unknown",
        }
    }
}

/// Looks at the first bytes of a client. `port` is where it connected to; it decides nothing that
/// the bytes do not bear out, and nothing today.
pub fn detect(prefix: &[u8], _port: u16) -> Detection {
    let answers = [
        (tls(prefix), Detection::Tls),
        (ssh(prefix), Detection::Ssh),
        (postgres(prefix), Detection::Postgres),
        (http(prefix), Detection::Http),
    ];
    let matching = |wanted: Looks| answers.iter().filter(move |(looks, _)| *looks == wanted);
    match (matching(Looks::Yes).next(), matching(Looks::Maybe).next()) {
        (Some((_, detection)), _) => *detection,
        (None, Some(_)) if prefix.len() < PREFIX_BYTES => Detection::NeedMore,
        (None, _) => Detection::Unknown,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Yes,
    Maybe,
    No,
}

/// Whether `prefix` starts with `magic`, as far as it goes.
fn starts(prefix: &[u8], magic: &[u8]) -> Looks {
    match (prefix.starts_with(magic), magic.starts_with(prefix)) {
        (true, _) => Looks::Yes,
        (false, true) => Looks::Maybe,
        (false, false) => Looks::No,
    }
}

/// Handshake record, major version 3, minor 0 to 4.
fn tls(prefix: &[u8]) -> Looks {
    match (starts(prefix, &[0x16, 0x03]), prefix.get(2)) {
        (Looks::Yes, Some(0..=4)) => Looks::Yes,
        (Looks::Yes, Some(_)) => Looks::No,
        (Looks::Yes | Looks::Maybe, None) => Looks::Maybe,
        (Looks::Maybe | Looks::No, _) => Looks::No,
    }
}

fn ssh(prefix: &[u8]) -> Looks {
    match (starts(prefix, b"SSH-2.0-"), starts(prefix, b"SSH-1.99-")) {
        (Looks::Yes, _) | (_, Looks::Yes) => Looks::Yes,
        (Looks::No, Looks::No) => Looks::No,
        (Looks::Maybe | Looks::No, Looks::Maybe | Looks::No) => Looks::Maybe,
    }
}

/// A length of 8 to 10,000 (PostgreSQL's MAX_STARTUP_PACKET_LENGTH), then a protocol version 3.x
/// or one of the request codes (PostgreSQL protocol, "Message Formats").
fn postgres(prefix: &[u8]) -> Looks {
    let Some((length, rest)) = prefix.split_first_chunk::<4>() else {
        return if prefix.iter().take(2).all(|b| *b == 0) {
            Looks::Maybe
        } else {
            Looks::No
        };
    };
    if !(8..=10_000).contains(&u32::from_be_bytes(*length)) {
        return Looks::No;
    }
    let Some((code, _)) = rest.split_first_chunk::<4>() else {
        return match rest.first_chunk::<2>() {
            Some([0, 3] | [0x04, 0xd2]) => Looks::Maybe,
            Some(_) => Looks::No,
            None if matches!(rest, [] | [0 | 0x04]) => Looks::Maybe,
            None => Looks::No,
        };
    };
    match u32::from_be_bytes(*code) {
        0x0003_0000..=0x0003_ffff => Looks::Yes,
        80_877_102..=80_877_104 => Looks::Yes,
        _ => Looks::No,
    }
}

/// A method, a space, and what a target starts with. Registered methods are in upper case; a
/// method of an application may be any, but an unknown flow is refused rather than guessed at.
fn http(prefix: &[u8]) -> Looks {
    let prefix = prefix.strip_prefix(b"\r\n").unwrap_or(prefix);
    let method = prefix
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || **b == b'-')
        .count();
    if prefix.is_empty() || prefix == b"\r" {
        return Looks::Maybe;
    }
    match (method, prefix.get(method), prefix.get(method + 1)) {
        (0, _, _) | (METHOD_BYTES.., _, _) => Looks::No,
        (_, None, _) | (_, Some(b' '), None) => Looks::Maybe,
        (_, Some(b' '), Some(b'/' | b'*' | b'h' | b'H')) => Looks::Yes,
        // CONNECT's target starts with a name or an address.
        (7, Some(b' '), Some(_)) if prefix.starts_with(b"CONNECT ") => Looks::Yes,
        (_, Some(_), _) => Looks::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTUP: &[u8] = b"\x00\x00\x00\x29\x00\x03\x00\x00user\0postgres\0";
    const SSL: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";

    #[test]
    fn first_bytes_tell() {
        for (prefix, want) in [
            (&b"GET / HTTP/1.1\r\n"[..], Detection::Http),
            (b"OPTIONS * HTTP/1.1\r\n", Detection::Http),
            (b"M-SEARCH * HTTP/1.1\r\n", Detection::Http),
            (b"\r\nPOST /a HTTP/1.1\r\n", Detection::Http),
            (b"GET http://example.com/ HTTP/1.1", Detection::Http),
            (b"CONNECT example.com:443 HTTP/1.1", Detection::Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detection::Http),
            (b"GETTING closer than this", Detection::Unknown),
            (b"PING\r\n", Detection::Unknown),
            (b"get / HTTP/1.1\r\n", Detection::Unknown),
            (STARTUP, Detection::Postgres),
            (
                b"\x00\x00\x00\x29\x00\x03\x00\x02user\0postgres\0",
                Detection::Postgres,
            ),
            (SSL, Detection::Postgres),
            (
                b"\x00\x00\x00\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02",
                Detection::Postgres,
            ),
            (b"\x00\x00\x00\x08\x04\xd2\x16\x30", Detection::Postgres),
            (b"\x00\x00\x00\x08\x00\x02\x00\x00", Detection::Unknown),
            (b"\x00\x00\x00\x03\x00\x03\x00\x00", Detection::Unknown),
            (b"\x7f\xff\xff\xff\x00\x03\x00\x00", Detection::Unknown),
            (b"\x16\x03\x01\x02\x00\x01", Detection::Tls),
            (b"\x16\x03\x05\x02\x00\x01", Detection::Unknown),
            (b"\x16\x02\x01", Detection::Unknown),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Detection::Ssh),
            (b"SSH-1.99-x\r\n", Detection::Ssh),
            (b"SSH-1.5-x\r\n", Detection::Unknown),
            (b"*1\r\n$4\r\nPING\r\n", Detection::Unknown),
        ] {
            assert_eq!(
                detect(prefix, 80),
                want,
                "{:?}",
                prefix.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_beginning_never_tells_something_else() {
        for whole in [
            &b"GET / HTTP/1.1"[..],
            STARTUP,
            SSL,
            b"\x16\x03\x01\x02",
            b"SSH-2.0-x",
            b"\r\nGET / ",
        ] {
            let end = detect(whole, 0);
            for cut in 0..whole.len() {
                let so_far = detect(&whole[..cut], 0);
                assert!(
                    so_far == end || so_far == Detection::NeedMore,
                    "{cut} of {whole:?}"
                );
            }
        }
    }

    #[test]
    fn it_asks_for_no_more_than_its_prefix() {
        let long_method = [b'A'; PREFIX_BYTES];
        assert_eq!(detect(&long_method, 0), Detection::Unknown);
        for byte in 0..=u8::MAX {
            assert_ne!(detect(&[byte; PREFIX_BYTES], 0), Detection::NeedMore);
        }
    }
}
