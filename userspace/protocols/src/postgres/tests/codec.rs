use super::wire::{message, query, request, startup};
use crate::postgres::codec::{Broken, Frame, Header, Reader, frame, header, whole};
use crate::postgres::limits::{CANCEL_KEY_BYTES, STARTUP_BYTES};
use crate::postgres::looks_like;
use crate::postgres::startup::{CancelKey, Opened, Opening, opening};

#[test]
fn a_header_is_read_only_when_it_is_whole() {
    let bytes = query("select 1");
    for cut in 0..5 {
        assert_eq!(header(&bytes[..cut]), Ok(None));
    }
    let whole = Header {
        kind: b'Q',
        body: 9,
    };
    assert_eq!(header(&bytes), Ok(Some(whole)));
    assert_eq!(whole.frame(), bytes.len());
}

#[test]
fn a_length_that_does_not_count_itself_is_broken_and_a_huge_one_does_not_wrap() {
    for length in 0..4_u32 {
        let bytes = [&[b'Q'][..], &length.to_be_bytes()].concat();
        assert_eq!(header(&bytes), Err(Broken::Length(length)));
    }
    // pgx and sqlx: a length that wraps makes the next bytes messages of their own.
    let bytes = [&[b'Q'][..], &u32::MAX.to_be_bytes()].concat();
    let head = header(&bytes).unwrap().unwrap();
    assert_eq!(head.body, 0xffff_fffb);
    assert!(matches!(head.within(1 << 30), Err(Broken::TooLong { .. })));
}

#[test]
fn a_frame_says_how_many_bytes_it_needs_at_every_cut() {
    let bytes = query("select 1");
    for cut in 0..bytes.len() {
        let need = if cut < 5 { 5 } else { bytes.len() };
        assert_eq!(whole(&bytes[..cut], 100), Ok(Frame::Need(need)), "{cut}");
    }
    let Frame::Whole(_, body) = whole(&bytes, 9).unwrap() else {
        panic!("not whole");
    };
    assert_eq!(body, b"select 1\0");
    assert!(whole(&bytes, 8).unwrap_err().is_limit());
}

#[test]
fn the_reader_never_reads_beyond() {
    let mut reader = Reader::new(b'?', b"ab\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xfe");
    assert_eq!(reader.string(), Ok(&b"ab"[..]));
    assert_eq!(reader.u16(), Ok(1));
    assert_eq!(reader.length(), Ok(None));
    assert_eq!(reader.length(), Err(Broken::Body('?')));
    assert_eq!(reader.take(1), Err(Broken::Body('?')));
    assert_eq!(Reader::new(b'?', b"open").string(), Err(Broken::Body('?')));
    assert!(Reader::new(b'?', b"x").end().is_err());
}

#[test]
fn what_is_framed_reads_back() {
    let mut out = b"before".to_vec();
    frame(&mut out, b'Q', |body| body.extend_from_slice(b"x\0")).unwrap();
    assert_eq!(out, [b"before".to_vec(), message(b'Q', b"x\0")].concat());
}

#[test]
fn opening_packets_are_read_at_every_cut() {
    let packets = [
        startup(&["user", "ann", "database", "shop", "_pq_.x", "1"]),
        request(80_877_103, b""),
        request(80_877_104, b""),
        request(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4]),
    ];
    for packet in packets {
        for cut in 0..packet.len() {
            let need = if cut < 4 { 4 } else { packet.len() };
            assert_eq!(opening(&packet[..cut]), Ok(Opened::Need(need)));
        }
        let more = [&packet[..], b"more"].concat();
        let Ok(Opened::Packet(_, length)) = opening(&more) else {
            panic!("{packet:?}");
        };
        assert_eq!(length, packet.len());
    }
}

#[test]
fn a_startup_packet_has_the_limit_of_the_server() {
    let of = |length: usize| {
        let pad = "x".repeat(length - startup(&["user", ""]).len());
        startup(&["user", &pad])
    };
    assert!(matches!(
        opening(&of(STARTUP_BYTES)),
        Ok(Opened::Packet(..))
    ));
    assert!(opening(&of(STARTUP_BYTES + 1)).is_err());
    for length in [0_u32, 7, u32::MAX] {
        assert!(opening(&length.to_be_bytes()).is_err(), "{length}");
    }
}

#[test]
fn broken_startup_packets_are_refused() {
    for body in [
        &[0, 2, 0, 0, 0][..],
        &[0, 4, 0, 0, 0],
        &[0, 3, 0, 0],
        &[0, 3, 0, 0, b'u'],
        &[0, 3, 0, 0, b'u', 0],
        &[0, 3, 0, 0, b'u', 0, b'a', 0],
        &[0, 3, 0, 0, 0, 0],
    ] {
        let length = u32::try_from(body.len() + 4).unwrap();
        let packet = [&length.to_be_bytes()[..], body].concat();
        assert!(opening(&packet).is_err(), "{body:?}");
    }
}

#[test]
fn cancel_keys_have_the_lengths_of_protocol_3_0_and_3_2() {
    for (secret, good) in [
        (0, false),
        (4, true),
        (CANCEL_KEY_BYTES, true),
        (CANCEL_KEY_BYTES + 1, false),
    ] {
        assert_eq!(
            CancelKey::read(b'K', &vec![1; 4 + secret]).is_ok(),
            good,
            "{secret}"
        );
    }
}

fn parsed(parameters: &[&str]) -> crate::postgres::startup::Startup {
    match opening(&startup(parameters)) {
        Ok(Opened::Packet(Opening::Startup(startup), _)) => startup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn replication_is_recognised_in_all_its_spellings() {
    for (value, wants) in [
        ("true", true),
        ("database", true),
        ("1", true),
        ("ON", true),
        ("", true),
        ("false", false),
        ("off", false),
        ("0", false),
    ] {
        assert_eq!(
            parsed(&["user", "a", "replication", value]).wants_replication(),
            wants,
            "{value}"
        );
    }
    assert!(!parsed(&["user", "a"]).wants_replication());
}

#[test]
fn settings_are_found_wherever_a_startup_packet_puts_them() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (parameters, want) in [
        (&["user", "a", "database", "b"][..], Some(vec![])),
        (&["user", "a", "role", "b"], Some(vec![pair("role", "b")])),
        (&["options", "-c role=b"], Some(vec![pair("role", "b")])),
        (
            &["options", "-crole=b  --work-mem=1MB"],
            Some(vec![pair("role", "b"), pair("work_mem", "1MB")]),
        ),
        (
            &["options", "-c ro\\le=a\\ b"],
            Some(vec![pair("role", "a b")]),
        ),
        (&["options", "-d 5"], None),
        (&["options", "-c"], None),
        (&["options", "-c role"], None),
        (&["_pq_.report", "x"], Some(vec![])),
    ] {
        assert_eq!(parsed(parameters).settings(), want, "{parameters:?}");
    }
}

#[test]
fn first_bytes_tell_postgresql_from_others() {
    for (bytes, want) in [
        (startup(&["user", "a"]), Some(true)),
        (request(80_877_103, b""), Some(true)),
        (vec![], None),
        (vec![0, 0, 0], None),
        (b"GET / HTTP/1.1\r\n".to_vec(), Some(false)),
        (vec![0x16, 3, 1, 0, 0, 1, 0, 0], Some(false)),
        (vec![0, 0, 0, 8, 1, 2, 3, 4], Some(false)),
        (vec![0, 0, 0, 4, 0, 3, 0, 0], Some(false)),
        (vec![0, 1, 0, 8, 0, 3, 0, 0], Some(false)),
    ] {
        assert_eq!(looks_like(&bytes), want, "{bytes:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_codec_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = opening(&bytes);
        let _ = header(&bytes);
        let _ = whole(&bytes, 100);
        let _ = looks_like(&bytes);
    }
}
