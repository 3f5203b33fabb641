//! Where bodies end, cut at every byte.

use super::super::chunked::Chunked;
use super::super::error::Fault;
use super::super::fields::Body;
use super::super::frames::Frames;
use super::super::limits::{CHUNK_LINE_BYTES, TRAILER_BYTES};

/// Data, bytes read, and whether the end was seen, of chunks fed in two parts.
fn read(parts: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), Fault> {
    let (mut chunked, mut data, mut used) = (Chunked::default(), Vec::new(), 0);
    for part in parts {
        let mut at = 0;
        while at < part.len() && !chunked.is_done() {
            let step = chunked.step(&part[at..])?;
            data.extend_from_slice(&part[at + step.framing..][..step.data]);
            at += step.framing + step.data;
        }
        used += at;
    }
    Ok((data, used, chunked.is_done()))
}

#[test]
fn chunks_cut_at_every_byte_give_the_same() {
    let body = b"3\r\nabc\r\n00A;name=\"v\";x\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nGET / ";
    let length = body.len() - 6;
    for cut in 0..=body.len() {
        let got = read(&[&body[..cut], &body[cut..]]).unwrap();
        assert_eq!(
            got,
            (b"abc0123456789".to_vec(), length, true),
            "cut at {cut}"
        );
    }
}

#[test]
fn malformed_chunks_are_broken() {
    for (body, why) in [
        ("\r\n", "its size is not hexadecimal"),
        ("x\r\n", "its size is not hexadecimal"),
        ("+3\r\nabc\r\n", "its size is not hexadecimal"),
        ("-3\r\n", "its size is not hexadecimal"),
        ("0x3\r\nabc\r\n", "its size is not hexadecimal"),
        (" 3\r\nabc\r\n", "its size is not hexadecimal"),
        ("3 \r\nabc\r\n", "its size is not hexadecimal"),
        ("3\nabc\r\n", "its size is not hexadecimal"),
        (";x\r\n", "its size is not hexadecimal"),
        ("3\rabc", "a bare CR"),
        ("3;a\rb\r\nabc\r\n", "a bare CR"),
        ("3;a\nb\r\nabc\r\n", "a control character in an extension"),
        ("3;a\0\r\n", "a control character in an extension"),
        ("3 ;a\r\nabc\r\n", "its size is not hexadecimal"),
        (
            "3;a=\"\n\"\r\nabc\r\n",
            "a control character in an extension",
        ),
        ("3\r\nab\r\n\r\n", "no CRLF after its data"),
        ("0\r\nX: 1\r\n 0\r\n\r\n", "its trailer section"),
        ("3\r\nabcd\r\n", "no CRLF after its data"),
        ("3\r\nabc\n", "no CRLF after its data"),
        ("3\r\nabc\rx", "no CRLF after its data"),
        ("10000000000000000\r\n", "its size is over 64 bits"),
        ("0\r\n folded: 1\r\n\r\n", "its trailer section"),
        ("0\r\nX : 1\r\n\r\n", "its trailer section"),
        ("0\r\nX: 1\n\r\n", "its trailer section"),
        ("0\r\nX: 1\rY: 2\r\n\r\n", "its trailer section"),
        ("0\r\nX\r\n\r\n", "its trailer section"),
        ("0\r\n\rx", "its trailer section"),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", "its trailer section"),
    ] {
        assert_eq!(read(&[body.as_bytes()]), Err(Fault::Chunk(why)), "{body:?}");
    }
}

#[test]
fn trailers_do_not_frame_route_or_authenticate() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "Authorization",
        "Cookie",
        "Connection",
        "Upgrade",
    ] {
        let body = format!("0\r\n{name}: x\r\n\r\n");
        assert_eq!(read(&[body.as_bytes()]), Err(Fault::Trailer), "{name}");
    }
}

#[test]
fn chunk_lines_and_trailers_have_limits() {
    let line = |bytes: usize| format!("0;{}\r\n\r\n", "x".repeat(bytes - 2));
    assert!(read(&[line(CHUNK_LINE_BYTES).as_bytes()]).unwrap().2);
    assert_eq!(
        read(&[line(CHUNK_LINE_BYTES + 1).as_bytes()]),
        Err(Fault::ChunkLineTooLong)
    );
    let trailers = |bytes: usize| format!("0\r\nX:{}\r\n\r\n", "x".repeat(bytes - 6));
    assert!(read(&[trailers(TRAILER_BYTES).as_bytes()]).unwrap().2);
    assert_eq!(
        read(&[trailers(TRAILER_BYTES + 1).as_bytes()]),
        Err(Fault::TrailersTooLong)
    );
}

#[test]
fn the_largest_size_is_taken_and_waited_for() {
    let (data, used, done) = read(&[b"ffffffffffffffff\r\nabc"]).unwrap();
    assert_eq!((data, used, done), (b"abc".to_vec(), 21, false));
}

#[test]
fn frames_measure_no_more_than_the_body() {
    for (body, bytes, want, done) in [
        (Body::None, &b"abc"[..], 0, true),
        (Body::Length(2), b"abc", 2, true),
        (Body::Length(4), b"abc", 3, false),
        (Body::Chunked, b"1\r\na\r\n0\r\n\r\nx", 11, true),
        (Body::UntilClose, b"abc", 3, false),
    ] {
        let mut frames = Frames::of(body);
        assert_eq!(
            (frames.measure(bytes), frames.is_done()),
            (Ok(want), done),
            "{body:?}"
        );
    }
}

#[test]
fn an_early_end_is_cut_short_unless_the_end_is_the_end() {
    assert_eq!(Frames::of(Body::UntilClose).end_of_stream(), Ok(()));
    assert_eq!(Frames::of(Body::None).end_of_stream(), Ok(()));
    assert_eq!(
        Frames::of(Body::Length(1)).end_of_stream(),
        Err(Fault::CutShort)
    );
    assert_eq!(
        Frames::of(Body::Chunked).end_of_stream(),
        Err(Fault::CutShort)
    );
}
