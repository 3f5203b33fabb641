use std::net::IpAddr;

use super::*;

/// A message: id 0x1234, flags, counts, then the rest.
fn message(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34];
    message.extend(flags.to_be_bytes());
    counts
        .iter()
        .for_each(|count| message.extend(count.to_be_bytes()));
    rest.iter().for_each(|part| message.extend_from_slice(part));
    message
}

fn name(dotted: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in dotted.split('.').filter(|label| !label.is_empty()) {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn asked(dotted: &str, record_type: u16) -> Vec<u8> {
    [&name(dotted)[..], &record_type.to_be_bytes(), &[0, 1]].concat()
}

fn record(owner: &[u8], record_type: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [
        owner,
        &record_type.to_be_bytes(),
        &[0, 1],
        &ttl.to_be_bytes(),
        &length.to_be_bytes(),
        data,
    ]
    .concat()
}

fn query() -> Vec<u8> {
    message(0x0100, [1, 0, 0, 0], &[&asked("Example.COM", 1)])
}

const OPT: &[u8] = &[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
/// A pointer to the question's name.
const ASKED: &[u8] = &[0xc0, 12];

#[test]
fn a_question_is_read() {
    let read = question(&query()).unwrap();
    assert_eq!(
        (read.id, read.record_type, read.recursion_desired),
        (0x1234, 1, true)
    );
    assert_eq!((read.edns, read.udp_bytes), (false, 512));
    let operation = read.operation();
    assert_eq!(
        (operation.name.as_str(), operation.r#type.as_str()),
        ("example.com", "A")
    );
}

#[test]
fn edns_tells_how_much_a_client_takes() {
    let read = question(&message(
        0x0100,
        [1, 0, 0, 1],
        &[&asked("example.com", 65), OPT],
    ))
    .unwrap();
    assert_eq!((read.edns, read.udp_bytes), (true, 1232));
    assert_eq!(read.operation().r#type, "HTTPS");
    let tiny: &[u8] = &[0, 0, 41, 0, 1, 0, 0, 0, 0, 0, 0];
    let read = question(&message(
        0x0100,
        [1, 0, 0, 1],
        &[&asked("example.com", 1), tiny],
    ))
    .unwrap();
    assert_eq!(read.udp_bytes, 512);
}

#[test]
fn what_is_no_plain_question_is_refused() {
    let one = asked("example.com", 1);
    let chaos = [&name("version.bind")[..], &[0, 16, 0, 3]].concat();
    let loops: &[u8] = &[0xc0, 12, 0, 1, 0, 1];
    let forward: &[u8] = &[0xc0, 14, 0, 0, 1, 0, 1];
    let header: &[u8] = &[1, b'a', 0xc0, 4, 0, 1, 0, 1];
    let extended: &[u8] = &[0x40, 0, 0, 1, 0, 1];
    for (bytes, want) in [
        (message(0x8100, [1, 0, 0, 0], &[&one]), DnsFault::Direction),
        (message(0x2800, [1, 0, 0, 0], &[&one]), DnsFault::Opcode(5)),
        (message(0x0100, [0, 0, 0, 0], &[]), DnsFault::Questions(0)),
        (
            message(0x0100, [2, 0, 0, 0], &[&one, &one]),
            DnsFault::Questions(2),
        ),
        (message(0x0100, [1, 1, 0, 0], &[&one]), DnsFault::Records),
        (message(0x0100, [1, 0, 1, 0], &[&one]), DnsFault::Records),
        (
            message(0x0100, [1, 0, 0, 0], &[&one, b"x"]),
            DnsFault::Trailing,
        ),
        (message(0x0100, [1, 0, 0, 0], &[&chaos]), DnsFault::Class(3)),
        (message(0x0100, [1, 0, 0, 0], &[loops]), DnsFault::Pointer),
        (message(0x0100, [1, 0, 0, 0], &[forward]), DnsFault::Pointer),
        (message(0x0100, [1, 0, 0, 0], &[header]), DnsFault::Pointer),
        (message(0x0100, [1, 0, 0, 0], &[extended]), DnsFault::Name),
        (message(0x0100, [1, 0, 0, 9], &[&one]), DnsFault::CutShort),
    ] {
        assert_eq!(question(&bytes), Err(want));
    }
}

#[test]
fn a_query_cut_anywhere_is_cut_short() {
    let whole = message(0x0100, [1, 0, 0, 1], &[&asked("example.com", 1), OPT]);
    for cut in 0..whole.len() {
        assert_eq!(question(&whole[..cut]), Err(DnsFault::CutShort), "{cut}");
    }
}

#[test]
fn a_name_has_255_bytes_and_not_one_more() {
    let labels = |last: usize| {
        let long = "a".repeat(63);
        format!("{long}.{long}.{long}.{}", "b".repeat(last))
    };
    // Three times 64, then 1 + 61, then the root: 255.
    let most = message(0, [1, 0, 0, 0], &[&asked(&labels(61), 1)]);
    assert_eq!(question(&most).unwrap().name.len(), 253);
    let over = message(0, [1, 0, 0, 0], &[&asked(&labels(62), 1)]);
    assert_eq!(question(&over), Err(DnsFault::Name));
}

#[test]
fn a_long_chain_of_pointers_ends() {
    // Each name is a pointer to the one before it, thousands of times.
    let mut bytes = message(0x8180, [1, 4000, 0, 0], &[&asked("example.com", 1)]);
    let mut before = 12;
    for _ in 0..4000 {
        let here = bytes.len();
        bytes.extend_from_slice(&(0xc000 | u16::try_from(before).unwrap()).to_be_bytes());
        bytes.extend_from_slice(&[0, 16, 0, 1, 0, 0, 0, 1, 0, 0]);
        if here < 0x3ff0 {
            before = here;
        }
    }
    let read = answers(&bytes, &question(&query()).unwrap());
    assert_eq!(read.unwrap().addresses, []);
}

#[test]
fn a_dot_inside_of_a_label_is_no_border() {
    let odd = message(0, [1, 0, 0, 0], &[b"\x0bexample.com\x00\x00\x01\x00\x01"]);
    assert_eq!(question(&odd).unwrap().name, "example\\046com");
    let root = message(0, [1, 0, 0, 0], &[b"\x00\x00\x02\x00\x01"]);
    assert_eq!(question(&root).unwrap().name, ".");
}

#[test]
fn an_answer_ties_addresses_over_aliases_with_the_shortest_ttl() {
    let alias = record(&name("cdn.example.net"), 1, 300, &[192, 0, 2, 1]);
    let v6 = record(
        &name("cdn.example.net"),
        28,
        30,
        &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let cname = record(ASKED, 5, 60, &name("CDN.example.net"));
    let stranger = record(&name("evil.example.org"), 1, 9, &[192, 0, 2, 66]);
    let rest: [&[u8]; 5] = [&asked("example.com", 1), &alias, &cname, &v6, &stranger];
    let bytes = message(0x8180, [1, 4, 0, 0], &rest);
    let read = answers(&bytes, &question(&query()).unwrap()).unwrap();
    let tied = |address: &str, ttl| Tied {
        address: address.parse::<IpAddr>().unwrap(),
        ttl,
    };
    assert_eq!(
        read.addresses,
        [tied("192.0.2.1", 60), tied("2001:db8::1", 30)]
    );
    assert_eq!((read.code, read.truncated), (0, false));
}

#[test]
fn aliases_that_go_in_a_circle_tie_nothing_and_end() {
    let there = record(ASKED, 5, 60, &name("b.example"));
    let back = record(&name("b.example"), 5, 60, ASKED);
    let address = record(&name("c.example"), 1, 60, &[192, 0, 2, 1]);
    let bytes = message(
        0x8180,
        [1, 3, 0, 0],
        &[&asked("example.com", 1), &there, &back, &address],
    );
    let read = answers(&bytes, &question(&query()).unwrap()).unwrap();
    assert_eq!(read.addresses, []);
}

#[test]
fn an_answer_to_something_else_is_refused() {
    let question = question(&query()).unwrap();
    let one = asked("example.com", 1);
    let address = record(ASKED, 1, 60, &[192, 0, 2, 1]);
    let short = record(ASKED, 1, 60, &[192, 0, 2]);
    let mut other_id = message(0x8180, [1, 1, 0, 0], &[&one, &address]);
    other_id[0] = 0;
    for (bytes, want) in [
        (query(), DnsFault::Direction),
        (other_id, DnsFault::NotTheAnswer),
        (
            message(0x8180, [1, 1, 0, 0], &[&asked("example.org", 1), &address]),
            DnsFault::NotTheAnswer,
        ),
        (
            message(0x8180, [1, 1, 0, 0], &[&asked("example.com", 28), &address]),
            DnsFault::NotTheAnswer,
        ),
        (
            message(0x8180, [0, 1, 0, 0], &[&address]),
            DnsFault::Questions(0),
        ),
        (
            message(0x8180, [1, 1, 0, 0], &[&one, &short]),
            DnsFault::CutShort,
        ),
        (
            message(0x8180, [1, 2, 0, 0], &[&one, &address]),
            DnsFault::CutShort,
        ),
        (
            message(0x8180, [1, 1, 0, 1], &[&one, &address]),
            DnsFault::CutShort,
        ),
        (
            message(0x8180, [1, 1, 0, 0], &[&one, &address, b"x"]),
            DnsFault::Trailing,
        ),
        (
            message(0x8180, [1, 4097, 0, 0], &[&one]),
            DnsFault::TooManyRecords,
        ),
    ] {
        assert_eq!(answers(&bytes, &question), Err(want));
    }
}

#[test]
fn codes_and_truncation_of_an_answer_are_told() {
    let bytes = message(0x8383, [1, 0, 0, 0], &[&asked("example.com", 1)]);
    let read = answers(&bytes, &question(&query()).unwrap()).unwrap();
    assert_eq!((read.code, read.truncated), (3, true));
}

#[test]
fn a_refusal_answers_the_question() {
    let asked = question(&query()).unwrap();
    for (rcode, number) in [
        (Rcode::FormErr, 1),
        (Rcode::ServFail, 2),
        (Rcode::NxDomain, 3),
        (Rcode::Refused, 5),
    ] {
        let read = answers(&refusal(&asked, rcode, "no"), &asked).unwrap();
        assert_eq!(
            read,
            Answers {
                code: number,
                truncated: false,
                addresses: Vec::new()
            }
        );
    }
}

#[test]
fn a_refusal_says_why_to_who_speaks_edns_and_stays_small() {
    let asked = question(&message(
        0x0100,
        [1, 0, 0, 1],
        &[&asked("example.com", 1), OPT],
    ))
    .unwrap();
    let bytes = refusal(&asked, Rcode::Refused, "sluice: refused by ci/dns");
    assert!(bytes.ends_with(b"\x00\x0f\x00\x1b\x00\x12sluice: refused by ci/dns"));
    answers(&bytes, &asked).unwrap();
    let long = refusal(&asked, Rcode::Refused, &"ä".repeat(1000));
    assert!(long.len() < 512);
    answers(&long, &asked).unwrap();
}

#[test]
fn a_truncated_answer_sends_the_client_to_tcp() {
    let asked = question(&query()).unwrap();
    let read = answers(&truncated(&asked), &asked).unwrap();
    assert!(read.truncated && read.addresses.is_empty());
}

#[test]
fn tcp_messages_are_found_at_every_cut() {
    let stream = [
        frame(&query()).unwrap(),
        frame(b"").unwrap(),
        frame(b"xyz").unwrap(),
    ]
    .concat();
    for cut in 0..=stream.len() {
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        for part in [&stream[..cut], &stream[cut..]] {
            buffer.extend_from_slice(part);
            while let Framed::Message { message, consumed } = next_message(&buffer) {
                found.push(message.to_vec());
                buffer.drain(..consumed);
            }
        }
        assert_eq!(found, [query(), Vec::new(), b"xyz".to_vec()], "{cut}");
    }
}

#[test]
fn a_tcp_message_has_65535_bytes_and_not_one_more() {
    assert!(frame(&vec![0; MESSAGE_BYTES]).is_some());
    assert!(frame(&vec![0; MESSAGE_BYTES + 1]).is_none());
}

/// Priority, target and parameters of an HTTPS record.
fn service(target: &[u8], params: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = [&[0, 1], target].concat();
    for (key, value) in params {
        data.extend(key.to_be_bytes());
        data.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        data.extend_from_slice(value);
    }
    data
}

#[test]
fn keys_that_would_hide_a_name_inside_of_tls_are_hidden() {
    const ALPN: (u16, &[u8]) = (1, b"\x02h2");
    const ECH: (u16, &[u8]) = (5, b"\xfe\x0d\x00\x01x");
    const HINT: (u16, &[u8]) = (4, &[192, 0, 2, 1]);
    let root: &[u8] = &[0];
    let mut odd = service(root, &[ALPN]);
    odd.push(0);
    let mut long = service(root, &[ALPN]);
    long[5] = 0xff;
    for (data, hides) in [
        (service(root, &[]), false),
        (service(root, &[ALPN, HINT]), false),
        (service(&name("svc.example.net"), &[ALPN, HINT]), false),
        (service(root, &[ECH]), true),
        (service(root, &[ALPN, HINT, ECH]), true),
        (service(&name("svc.example.net"), &[ALPN, ECH]), true),
        // An empty one, behind a compressed name (which RFC 9460 does not allow).
        (service(ASKED, &[(5, b"")]), true),
        // What cannot be read.
        (odd, true),
        (long, true),
        (Vec::new(), true),
    ] {
        for (record_type, section) in [(64, 1), (65, 1), (65, 2), (65, 3)] {
            let own = record(ASKED, record_type, 60, &data);
            let address = record(ASKED, 1, 60, &[192, 0, 2, 1]);
            let mut counts = [1, 1, 0, 0];
            counts[section] += 1;
            let rest: [&[u8]; 3] = [&asked("example.com", 65), &own, &address];
            let rest: Vec<&[u8]> = match section {
                1 => rest.to_vec(),
                _ => vec![rest[0], rest[2], rest[1]],
            };
            let before = message(0x8180, counts, &rest);
            let mut after = before.clone();
            hide_ech(&mut after).unwrap();
            let changed: Vec<usize> = (0..before.len())
                .filter(|at| before[*at] != after[*at])
                .collect();
            assert_eq!(
                !changed.is_empty(),
                hides,
                "{data:?} {record_type} {section}"
            );
            assert!(changed.len() <= 2 && after.len() == before.len());
            if hides {
                let hidden = [&[0xff, 0, 0, 1][..], &[0, 0, 0, 60]].concat();
                assert!(after.windows(8).any(|bytes| bytes == hidden));
            }
            let again = after.clone();
            hide_ech(&mut after).unwrap();
            assert_eq!(after, again);
        }
    }
    // Other records are nobody's business, and half a message is none.
    let text = record(ASKED, 16, 60, &service(root, &[ECH]));
    let plain = message(0x8180, [1, 1, 0, 0], &[&asked("example.com", 16), &text]);
    let mut after = plain.clone();
    hide_ech(&mut after).unwrap();
    assert_eq!(after, plain);
    for cut in 0..plain.len() {
        assert!(hide_ech(&mut plain[..cut].to_vec()).is_err(), "{cut}");
    }
}

#[test]
fn the_corpus_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/dns");
    let read = |kind: &str| -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(format!("{folder}/{kind}")).unwrap();
        entries
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect()
    };
    let (queries, replies) = (read("queries"), read("answers"));
    assert!(queries.len() >= 3 && replies.len() >= 3);
    assert!(queries.iter().all(|query| question(query).is_ok()));
    let asked = question(&query()).unwrap();
    assert!(replies.iter().all(|reply| answers(reply, &asked).is_ok()));
}
