//! How a hit goes on behind its window: byte by byte, in constant memory.

use super::{is_base64url, is_word};

/// Footer of a PEM block (RFC 7468 section 2).
const FOOTER: &[u8] = b"-----END";
/// Bytes of a footer line after [`FOOTER`], label and dashes.
const MAX_FOOTER: u8 = 120;
/// Dots of a compact JWE (RFC 7516 section 3.1); a JWS has two.
const MAX_JWT_DOTS: u8 = 4;

/// What may follow the bytes of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tail {
    /// Nothing.
    #[default]
    None,
    /// More characters of a token.
    Token,
    /// More parts of a JWT; how many dots went by.
    Jwt(u8),
    /// The body of a PEM block; how many bytes of [`FOOTER`] went by.
    PemBody(u8),
    /// The footer of a PEM block; bytes, and dashes in a row.
    PemFooter(u8, u8),
}

impl Tail {
    /// Takes the bytes that belong to the hit and says how many they are. When not all belong,
    /// the tail has ended.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        if *self == Self::None {
            return 0;
        }
        for (count, byte) in bytes.iter().enumerate() {
            let next = self.step(*byte);
            if next == Some(Self::None) {
                // The last byte of a footer belongs to the hit.
                *self = Self::None;
                return count + 1;
            }
            let Some(next) = next else {
                *self = Self::None;
                return count;
            };
            *self = next;
        }
        bytes.len()
    }

    /// `None`: the byte is no part of the hit. `Some(Tail::None)`: it is the last one.
    fn step(self, byte: u8) -> Option<Self> {
        match self {
            Self::None => None,
            Self::Token => (is_base64url(byte) || b"+/=.~".contains(&byte)).then_some(self),
            Self::Jwt(dots) if byte == b'.' => (dots < MAX_JWT_DOTS).then_some(Self::Jwt(dots + 1)),
            Self::Jwt(_) => is_base64url(byte).then_some(self),
            Self::PemBody(matched) => pem_body(matched, byte),
            Self::PemFooter(length, dashes) => pem_footer(length, dashes, byte),
        }
    }
}

fn pem_body(matched: u8, byte: u8) -> Option<Tail> {
    let expected = FOOTER.get(usize::from(matched)).copied();
    let next = match expected {
        Some(expected) if expected == byte => matched + 1,
        // A sixth dash: the last five may still begin the footer.
        Some(b'E') if byte == b'-' => matched,
        _ if byte == b'-' => 1,
        _ => 0,
    };
    if usize::from(next) == FOOTER.len() {
        return Some(Tail::PemFooter(0, 0));
    }
    // Base64, headers such as DEK-Info or Version, and line ends written as escapes.
    let belongs = is_word(byte) || byte.is_ascii_whitespace() || b"+/=-:,.\\".contains(&byte);
    belongs.then_some(Tail::PemBody(next))
}

fn pem_footer(length: u8, dashes: u8, byte: u8) -> Option<Tail> {
    let dashes = if byte == b'-' { dashes + 1 } else { 0 };
    if dashes == 5 {
        return Some(Tail::None);
    }
    let belongs = byte == b'-' || byte == b' ' || is_word(byte);
    (belongs && length < MAX_FOOTER).then_some(Tail::PemFooter(length + 1, dashes))
}
