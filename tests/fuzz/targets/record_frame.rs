//! A frame that is read is the one that was written, every byte of it counted; a cut one is asked
//! for, never guessed; and a changed one does not follow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_store::frame::{Decoded, FRAME_HEADER, decode, digest, link};

/// The part of a header that its checksum is over.
const CHECKED: usize = FRAME_HEADER - 8;

// The first byte says whether the checksum is made right, as chance never does.
fuzz_target!(|input: &[u8]| {
    let Some((repair, bytes)) = input.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if *repair == 1 && bytes.len() >= FRAME_HEADER {
        let check = digest(&bytes[..CHECKED]);
        bytes[CHECKED..FRAME_HEADER].copy_from_slice(&check[..8]);
    }
    match decode(&bytes) {
        Decoded::Consumed(frame, used) => {
            assert_eq!(used, frame.header.frame_len());
            assert_eq!(frame.header.encode(), *frame.header_bytes);
            cut(&bytes[..used]);
            chained(&bytes[..used]);
        }
        Decoded::NeedMore(more) => assert!(more > 0),
        Decoded::Broken(_) => {}
    }
});

/// Every beginning of a frame asks for more, and never for more than there was.
fn cut(frame: &[u8]) {
    for end in 0..frame.len() {
        match decode(&frame[..end]) {
            Decoded::NeedMore(more) => assert!(more > 0 && end + more <= frame.len()),
            other => panic!("{end} of {} bytes are {other:?}", frame.len()),
        }
    }
}

/// With its right link the frame follows; with one bit of its payload changed it does not.
fn chained(frame: &[u8]) {
    let previous = [9; 32];
    let mut frame = frame.to_vec();
    let end = frame.len() - previous.len();
    let header = frame.first_chunk::<FRAME_HEADER>().expect("a whole frame");
    let right = link(&previous, header, &digest(&frame[FRAME_HEADER..end]));
    frame[end..].copy_from_slice(&right);
    assert!(follows(&frame, &previous));
    assert!(!follows(&frame, &[8; 32]));
    if end > FRAME_HEADER {
        frame[FRAME_HEADER] ^= 1;
        assert!(!follows(&frame, &previous));
    }
}

fn follows(frame: &[u8], previous: &[u8; 32]) -> bool {
    matches!(decode(frame), Decoded::Consumed(frame, _) if frame.follows(previous))
}
