//! Answers for names that the host's owner gave to addresses.

use std::net::IpAddr;

use super::question::Question;

/// Record types of RFC 1035 section 3.2.2 and RFC 3596 section 2.1.
const A: u16 = 1;
const AAAA: u16 = 28;
/// A pointer to the name of the question, which stands right behind the header.
const QUESTION_NAME: u16 = 0xc00c;

/// The addresses that fit the type of the question, each with `ttl` in seconds; none of them
/// where the owner gave only addresses of the other family (RFC 2308 section 2.2, without SOA).
#[must_use]
pub fn owned(question: &Question, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
    let fitting = addresses
        .iter()
        .filter_map(|address| match (address, question.record_type) {
            (IpAddr::V4(v4), A) => Some(v4.octets().to_vec()),
            (IpAddr::V6(v6), AAAA) => Some(v6.octets().to_vec()),
            (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
        });
    let records: Vec<Vec<u8>> = fitting.take(usize::from(u8::MAX)).collect();
    let count = u16::try_from(records.len()).unwrap_or_default();
    let recursion = u16::from(question.recursion_desired) << 8;
    let mut message = Vec::new();
    for number in [question.id, 0x8080 | recursion, 1, count, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend_from_slice(&question.section);
    for data in records {
        for number in [QUESTION_NAME, question.record_type, 1] {
            message.extend(number.to_be_bytes());
        }
        message.extend(ttl.to_be_bytes());
        message.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        message.extend(data);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{answers, question};

    fn ask(record_type: u16) -> Question {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(b"\x02db\x07example\x03com\x00");
        message.extend(record_type.to_be_bytes());
        message.extend([0, 1]);
        question(&message).unwrap()
    }

    #[test]
    fn the_answer_ties_addresses_of_the_asked_family() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        for (record_type, want) in [(A, vec![v4]), (AAAA, vec![v6]), (16, vec![])] {
            let asked = ask(record_type);
            let answer = answers(&owned(&asked, &[v4, v6], 60), &asked).unwrap();
            let tied: Vec<IpAddr> = answer.addresses.iter().map(|tied| tied.address).collect();
            assert_eq!((answer.code, tied), (0, want));
            assert!(answer.addresses.iter().all(|tied| tied.ttl == 60));
        }
    }
}
