//! The bytes of the log.

use proptest::prelude::*;
use sluice_flow::SessionId;
use uuid::Uuid;

use crate::batch::Batch;
use crate::frame::{
    Broken, Decoded, FRAME_HEADER, HASH, Header, Kind, MAX_PAYLOAD, NONE, SEGMENT_HEADER,
    SegmentHeader, decode, decode_header,
};

fn header(len: u32) -> Header {
    Header {
        len,
        kind: Kind::Event,
        session: SessionId(Uuid::from_u128(5)),
        seq: 3,
        back: NONE,
    }
}

/// One frame, with `payload` as a JSON string.
fn frame(payload: &str) -> Vec<u8> {
    let mut batch = Batch::default();
    batch
        .push(Kind::Note, SessionId(Uuid::nil()), 9, &payload)
        .unwrap();
    batch.place(0, [7; 32], 5);
    batch.bytes().to_vec()
}

#[test]
fn a_frame_is_read_at_every_cut() {
    let bytes = frame("hello");
    for cut in 0..bytes.len() {
        let Decoded::NeedMore(more) = decode(&bytes[..cut]) else {
            panic!("cut at {cut}");
        };
        assert!(more > 0 && cut + more <= bytes.len(), "cut at {cut}");
    }
    let Decoded::Consumed(frame, whole) = decode(&bytes) else {
        panic!("whole");
    };
    assert_eq!((whole, frame.payload), (bytes.len(), &b"\"hello\""[..]));
    assert_eq!((frame.header.seq, frame.header.back), (9, 5));
    assert!(frame.follows(&[7; 32]));
    assert!(!frame.follows(&[8; 32]));
}

#[test]
fn a_changed_byte_never_passes() {
    let bytes = frame("hello");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match decode(&changed) {
                Decoded::Broken(Broken::HeaderChecksum) => assert!(at < FRAME_HEADER),
                Decoded::Consumed(frame, _) => assert!(!frame.follows(&[7; 32]), "{at}.{bit}"),
                other => panic!("{at}.{bit}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_payload_has_a_limit() {
    // Two bytes are the quotes of the JSON string.
    let mut batch = Batch::default();
    let nobody = SessionId(Uuid::nil());
    let at = "x".repeat(MAX_PAYLOAD - 2);
    assert!(batch.push(Kind::Note, nobody, 0, &at).is_ok());
    let over = "x".repeat(MAX_PAYLOAD - 1);
    assert!(batch.push(Kind::Note, nobody, 0, &over).is_err());
    let limit = u32::try_from(MAX_PAYLOAD).unwrap();
    assert!(decode_header(&header(limit).encode()).is_ok());
    assert_eq!(
        decode_header(&header(limit + 1).encode()),
        Err(Broken::TooLong)
    );
}

#[test]
fn headers_of_another_version_are_refused() {
    let header = SegmentHeader {
        base: 99,
        previous: [3; 32],
    };
    let bytes = header.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
    for at in 0..SEGMENT_HEADER {
        let mut changed = bytes;
        changed[at] ^= 1;
        assert_eq!(
            SegmentHeader::decode(&changed),
            Err(Broken::SegmentHeader),
            "{at}"
        );
    }
}

#[test]
fn the_last_bytes_of_a_segment_header_are_what_the_chain_goes_on_from() {
    let header = SegmentHeader {
        base: 0,
        previous: [0; 32],
    };
    assert_eq!(header.encode().last_chunk::<HASH>(), Some(&header.seed()));
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        if let Some(header) = bytes.first_chunk() {
            let _ = SegmentHeader::decode(header);
        }
    }

    #[test]
    fn any_header_goes_there_and_back(
        len in 0..=u32::try_from(MAX_PAYLOAD).unwrap(),
        note: bool,
        session: u128,
        seq: u64,
        back: u64,
    ) {
        let header = Header {
            len,
            kind: if note { Kind::Note } else { Kind::Event },
            session: SessionId(Uuid::from_u128(session)),
            seq,
            back,
        };
        prop_assert_eq!(decode_header(&header.encode()), Ok(header));
    }

    #[test]
    fn any_payloads_go_there_and_back(texts in proptest::collection::vec(".{0,60}", 1..8)) {
        let mut batch = Batch::default();
        for (text, seq) in texts.iter().zip(0..) {
            batch.push(Kind::Event, SessionId(Uuid::from_u128(1)), seq, text).unwrap();
        }
        let (last, hash) = batch.place(1000, [1; 32], NONE);
        let (mut rest, mut previous, mut position, mut back) = (batch.bytes(), [1; 32], 1000, NONE);
        for text in &texts {
            let Decoded::Consumed(frame, whole) = decode(rest) else {
                panic!("{rest:?}");
            };
            prop_assert!(frame.follows(&previous));
            prop_assert_eq!(frame.header.back, back);
            let read: String = serde_json::from_slice(frame.payload).unwrap();
            prop_assert_eq!(&read, text);
            (previous, back) = (*frame.hash, position);
            position += whole as u64;
            rest = &rest[whole..];
        }
        prop_assert_eq!((rest.len(), back, previous), (0, last, hash));
    }
}
