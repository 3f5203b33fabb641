//! An answer, and the addresses that it ties to the name that was asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::question::{Asked, Head, Question, Record};
use super::{Cursor, DnsFault};

/// Records of one answer section. A TCP message has room for some 5,000.
pub(super) const RECORDS: u16 = 4096;

/// CNAME records that are followed.
const ALIASES: usize = 16;

/// An address that the question's name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tied {
    /// The address; a v4-mapped one is its v4 address.
    pub address: IpAddr,
    /// How long it holds, seconds: the shortest of the chain that leads to it.
    pub ttl: u32,
}

/// An answer, as far as the gate reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The response code (RFC 1035 section 4.1.1), without its extension.
    pub code: u16,
    /// Whether the client must ask again by TCP.
    pub truncated: bool,
    /// What the name leads to, over aliases.
    pub addresses: Vec<Tied>,
}

/// Reads an answer to `question`. Only records that a chain of aliases ties to the question's name
/// count: a server that adds others ties nothing.
///
/// # Errors
/// A message that is malformed or does not answer the question; it must not reach the client.
pub fn answers(message: &[u8], question: &Question) -> Result<Answers, DnsFault> {
    let mut cursor = Cursor::new(message);
    let head = Head::read(&mut cursor)?;
    if !head.is_response() {
        return Err(DnsFault::Direction);
    }
    if head.counts[0] != 1 {
        return Err(DnsFault::Questions(head.counts[0]));
    }
    let asked = Asked::read(&mut cursor)?;
    let same = asked.name == question.name && asked.record_type == question.record_type;
    if head.id != question.id || !same {
        return Err(DnsFault::NotTheAnswer);
    }
    if head.counts[1] > RECORDS {
        return Err(DnsFault::TooManyRecords);
    }
    let mut chain = Chain::of(&question.name);
    for _ in 0..head.counts[1] {
        chain.take(message, &Record::read(&mut cursor)?)?;
    }
    // The rest is only checked: a client's parser must not meet what ours did not read.
    for _ in 0..u32::from(head.counts[2]) + u32::from(head.counts[3]) {
        Record::read(&mut cursor)?;
    }
    if !cursor.is_at_end() {
        return Err(DnsFault::Trailing);
    }
    Ok(Answers {
        code: head.flags & 0x000f,
        truncated: head.flags & 0x0200 != 0,
        addresses: chain.addresses(),
    })
}

/// Aliases and addresses by owner; servers may send them in any order.
struct Chain {
    name: String,
    aliases: Vec<(String, String, u32)>,
    found: Vec<(String, Tied)>,
}

impl Chain {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            found: Vec::new(),
        }
    }

    fn take(&mut self, message: &[u8], record: &Record<'_>) -> Result<(), DnsFault> {
        let address = match (record.record_type, record.class) {
            (1, 1) => IpAddr::V4(Ipv4Addr::from(exactly::<4>(record.data)?)),
            (28, 1) => IpAddr::V6(Ipv6Addr::from(exactly::<16>(record.data)?)).to_canonical(),
            (5, 1) => {
                let mut names = Cursor::new(message);
                names.bytes(record.data_at)?;
                let target = names.name()?;
                if names.at() != record.data_at + record.data.len() {
                    return Err(DnsFault::Name);
                }
                self.aliases.push((record.name.clone(), target, record.ttl));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let tied = Tied {
            address,
            ttl: record.ttl,
        };
        self.found.push((record.name.clone(), tied));
        Ok(())
    }

    fn addresses(self) -> Vec<Tied> {
        let (mut owner, mut ttl) = (self.name, u32::MAX);
        for _ in 0..ALIASES {
            let Some((_, target, alias_ttl)) =
                self.aliases.iter().find(|(from, ..)| *from == owner)
            else {
                break;
            };
            ttl = ttl.min(*alias_ttl);
            owner.clone_from(target);
        }
        let of_owner = self.found.into_iter().filter(|(name, _)| *name == owner);
        of_owner
            .map(|(_, tied)| Tied {
                ttl: tied.ttl.min(ttl),
                ..tied
            })
            .collect()
    }
}

fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], DnsFault> {
    data.try_into().map_err(|_| DnsFault::CutShort)
}
