//! A question that is read can be answered: what the gate writes itself says what it should when
//! it is read back. An answer that is read ties only addresses that stand in it, and no beginning
//! of it is one.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::cuts_and_stream;
use sluice_protocols::dns::{
    Answers, Cursor, DnsFault, Framed, Question, Rcode, Tied, answers, frame, hide_ech,
    next_message, owned, question, refusal, truncated,
};

/// Bytes of a message before its question (RFC 1035 section 4.1.1).
const HEAD: usize = 12;
/// A name has 255 bytes, each of which may be written as `\DDD`.
const NAME: usize = 4 * 255;

fuzz_target!(|input: &[u8]| {
    let Some((cuts, message)) = cuts_and_stream(input) else {
        return;
    };
    framed(message);
    if let Ok(asked) = question(message) {
        asked_again(message, &asked);
        answered(&asked);
    }
    let Some(asked) = question_of(message) else {
        return;
    };
    if let Ok(read) = answers(message, &asked) {
        stands_in(message, &read);
        hides_keys(message, &asked);
        is_for_its_question_only(message, &asked);
        let mut end = 0;
        for chunk in cuts.of(message) {
            assert!(answers(&message[..end], &asked).is_err(), "{end} bytes");
            end += chunk.len();
        }
    }
});

/// Messages of a TCP stream come out as they went in, and only when they are whole.
fn framed(message: &[u8]) {
    let stream = frame(message).expect("under 64 KiB");
    let consumed = stream.len();
    assert_eq!(next_message(&stream), Framed::Message { message, consumed });
    assert_eq!(next_message(&stream[..consumed - 1]), Framed::NeedMore);
}

/// The question section means the same in any other message, and a cut query means nothing.
fn asked_again(message: &[u8], asked: &Question) {
    assert!(asked.name.len() <= NAME && !asked.name.is_empty());
    assert_eq!(asked.name, asked.name.to_ascii_lowercase());
    assert_eq!(asked.operation().name, asked.name);
    let again = query(&message[..2], &asked.section);
    let again = question(&again).expect("the section was read before");
    assert_eq!(again.name, asked.name);
    assert_eq!(again.record_type, asked.record_type);
    assert!(question(&message[..message.len() - 1]).is_err());
}

fn answered(asked: &Question) {
    for rcode in [
        Rcode::FormErr,
        Rcode::ServFail,
        Rcode::NxDomain,
        Rcode::Refused,
    ] {
        let text = "refused by a rule; \u{fc}".repeat(12);
        let message = refusal(asked, rcode, &text);
        assert_eq!(read(&message, asked), (rcode.number(), false, Vec::new()));
        assert!(message.len() <= 512, "{}", message.len());
    }
    assert_eq!(read(&truncated(asked), asked), (0, true, Vec::new()));
    let addresses = [
        IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        IpAddr::from(Ipv4Addr::new(198, 51, 100, 2)),
    ];
    let fitting = |address: &IpAddr| match asked.record_type {
        1 => address.is_ipv4(),
        28 => address.is_ipv6(),
        _ => false,
    };
    let tied = addresses.iter().copied().filter(fitting);
    let tied = tied.map(|address| Tied { address, ttl: 60 }).collect();
    let message = owned(asked, &addresses, 60);
    assert_eq!(read(&message, asked), (0, false, tied));
}

fn read(message: &[u8], asked: &Question) -> (u16, bool, Vec<Tied>) {
    match answers(message, asked) {
        Ok(Answers {
            code,
            truncated,
            addresses,
        }) => (code, truncated, addresses),
        Err(fault) => panic!("our own answer to {asked:?}: {fault}"),
    }
}

fn stands_in(message: &[u8], read: &Answers) {
    for tied in &read.addresses {
        let bytes = match tied.address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let found = message.windows(bytes.len()).any(|window| window == bytes);
        assert!(found, "{tied:?} stands nowhere");
    }
}

/// Taking keys out of an answer moves no byte. A name may point into what was changed: then
/// another answer is read, or none, and so it is read afterwards.
fn hides_keys(message: &[u8], asked: &Question) {
    let mut hidden = message.to_vec();
    hide_ech(&mut hidden).expect("an answer that was read");
    assert_eq!(hidden.len(), message.len());
    if let Ok(read) = answers(&hidden, asked) {
        stands_in(&hidden, &read);
    }
}

fn is_for_its_question_only(message: &[u8], asked: &Question) {
    let others = [
        Question {
            id: asked.id ^ 1,
            ..asked.clone()
        },
        Question {
            name: format!("x{}", asked.name),
            ..asked.clone()
        },
        Question {
            record_type: asked.record_type ^ 1,
            ..asked.clone()
        },
    ];
    for other in others {
        assert_eq!(answers(message, &other), Err(DnsFault::NotTheAnswer));
    }
}

/// The question that an answer repeats.
fn question_of(message: &[u8]) -> Option<Question> {
    let mut cursor = Cursor::new(message);
    cursor.bytes(HEAD).ok()?;
    cursor.name().ok()?;
    cursor.bytes(4).ok()?;
    question(&query(&message[..2], &message[HEAD..cursor.at()])).ok()
}

fn query(id: &[u8], section: &[u8]) -> Vec<u8> {
    [id, &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], section].concat()
}
