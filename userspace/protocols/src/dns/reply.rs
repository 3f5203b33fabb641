//! Answers that the gate writes itself.

use super::question::{OPT, Question};

/// Response codes of refusals (RFC 1035 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rcode {
    /// The query could not be read.
    FormErr,
    /// The server could not be asked.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// A policy says no.
    Refused,
}

impl Rcode {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::Refused => 5,
        }
    }

    /// The extended error that says it closer (RFC 8914 section 4): Prohibited for a policy,
    /// Network Error for a server that does not answer, Other Error else.
    fn extended(self) -> u16 {
        match self {
            Self::Refused | Self::NxDomain => 18,
            Self::ServFail => 23,
            Self::FormErr => 0,
        }
    }
}

/// Bytes of the text of an extended error: an answer stays under 512 bytes of UDP.
const TEXT_BYTES: usize = 160;

/// The UDP payload that the gate offers (DNS flag day 2020).
const OFFERED_UDP_BYTES: u16 = 1232;

/// An answer without records; to a client that speaks EDNS with `text` as the reason (RFC 8914),
/// cut to 160 bytes.
#[must_use]
pub fn refusal(question: &Question, rcode: Rcode, text: &str) -> Vec<u8> {
    let mut message = head(question, rcode.number(), false);
    if question.edns {
        message.extend(extended_error(rcode.extended(), text));
    }
    message
}

/// The answer that tells a UDP client to ask again by TCP (RFC 2181 section 9), for an answer
/// that is over [`Question::udp_bytes`].
#[must_use]
pub fn truncated(question: &Question) -> Vec<u8> {
    head(question, 0, true)
}

fn head(question: &Question, rcode: u16, truncated: bool) -> Vec<u8> {
    let recursion = u16::from(question.recursion_desired) << 8;
    let flags = 0x8000 | recursion | 0x0080 | u16::from(truncated) << 9 | rcode;
    let additional = u16::from(question.edns && !truncated);
    let mut message = Vec::with_capacity(12 + question.section.len());
    for number in [question.id, flags, 1, 0, 0, additional] {
        message.extend(number.to_be_bytes());
    }
    message.extend_from_slice(&question.section);
    message
}

/// An OPT record with one option: EXTENDED-DNS-ERROR, 15.
fn extended_error(code: u16, text: &str) -> Vec<u8> {
    let end = (0..=TEXT_BYTES.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    let option = u16::try_from(2 + text.len()).unwrap_or(2);
    let mut record = vec![0];
    record.extend(OPT.to_be_bytes());
    record.extend(OFFERED_UDP_BYTES.to_be_bytes());
    record.extend([0; 4]);
    for number in [option + 4, 15, option, code] {
        record.extend(number.to_be_bytes());
    }
    record.extend_from_slice(text.as_bytes());
    record
}
