//! A request is the same wherever it is cut; what a policy is asked about means the same when it
//! is written anew; and its path is already in the one spelling that rules are written in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_flow::HttpRequest;
use sluice_fuzz::{cuts_and_stream, http};
use sluice_protocols::http::fields::Version;
use sluice_protocols::http::frames::Frames;
use sluice_protocols::http::request::{RequestHead, Upgrade};
use sluice_protocols::http::scan::Scanned;
use sluice_protocols::http::target;

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = cuts_and_stream(input) else {
        return;
    };
    let found = http::head([stream].into_iter());
    assert_eq!(found, http::head(cuts.of(stream)));
    let Ok(Scanned::Head(length)) = found else {
        return;
    };
    let (head, rest) = stream.split_at(length);
    assert!(head.ends_with(b"\r\n\r\n"));
    let Ok((request, read)) = RequestHead::parse(head) else {
        return;
    };
    assert!(RequestHead::parse(&head[..length - 1]).is_err());
    has_a_plain_path(&request);
    assert_eq!(
        request.upgrade.is_some(),
        matches!(read.upgrade, Upgrade::To(_))
    );
    let anew = written(&request, read.version);
    let again = RequestHead::parse(anew.as_bytes());
    assert_eq!(again, Ok((request, read.clone())), "{anew}");
    let whole = http::body(Frames::of(read.body), [rest].into_iter());
    assert_eq!(whole, http::body(Frames::of(read.body), cuts.of(rest)));
});

/// No server finds another path in it, whatever it decodes.
fn has_a_plain_path(request: &HttpRequest) {
    let path = &request.path;
    if path == "*" {
        return;
    }
    let again = target::parse(&request.method, path).expect("a path that was read");
    assert_eq!((&again.path, again.query), (path, None));
    assert!(path.starts_with('/') && !path.contains("//"), "{path}");
    let once = decoded(path.as_bytes());
    assert!(
        !once.iter().any(|byte| *byte < b' ' || *byte == b'\\'),
        "{path}"
    );
    for segment in once.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next();
        assert!(name != Some(b".") && name != Some(b".."), "{path}");
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let hex = match (byte, behind) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        if hex.is_some() {
            rest = &rest[2..];
        }
        out.push(hex.unwrap_or(*byte));
    }
    out
}

/// The head that says what was read.
fn written(request: &HttpRequest, version: Version) -> String {
    let has_host = |(name, _): &(String, String)| name.eq_ignore_ascii_case("host");
    let authority = match &request.host {
        Some(host) if !request.headers.iter().any(has_host) => format!("http://{host}"),
        _ => String::new(),
    };
    let query = request.query.iter().map(|query| format!("?{query}"));
    let minor = match version {
        Version::Http10 => 0,
        Version::Http11 => 1,
    };
    let mut head = format!(
        "{} {authority}{}{} HTTP/1.{minor}\r\n",
        request.method,
        request.path,
        query.collect::<String>(),
    );
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}
