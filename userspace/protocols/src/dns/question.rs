//! A query and its one question (RFC 1035 section 4.1.2).

use sluice_flow::DnsQuestion;

use super::{Cursor, DnsFault};

/// UDP payload that every client takes (RFC 1035 section 4.2.1).
const PLAIN_UDP_BYTES: u16 = 512;

/// A query, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The message's id.
    pub id: u16,
    /// The name in lower case without the trailing dot.
    pub name: String,
    /// The record type's number.
    pub record_type: u16,
    /// Whether recursion is desired.
    pub recursion_desired: bool,
    /// Whether it carries EDNS (RFC 6891), so that its answer may.
    pub edns: bool,
    /// The largest UDP answer that the client takes, bytes.
    pub udp_bytes: u16,
    /// The question section, as sent: an answer repeats it.
    pub section: Vec<u8>,
}

impl Question {
    /// What a policy is asked.
    #[must_use]
    pub fn operation(&self) -> DnsQuestion {
        DnsQuestion {
            name: self.name.clone(),
            r#type: type_name(self.record_type),
        }
    }
}

/// Reads a query.
///
/// # Errors
/// Everything but one question of class IN with opcode QUERY and at most additional records.
pub fn question(message: &[u8]) -> Result<Question, DnsFault> {
    let mut cursor = Cursor::new(message);
    let head = Head::read(&mut cursor)?;
    if head.is_response() {
        return Err(DnsFault::Direction);
    }
    if head.opcode() != 0 {
        return Err(DnsFault::Opcode(head.opcode()));
    }
    if head.counts[0] != 1 {
        return Err(DnsFault::Questions(head.counts[0]));
    }
    if head.counts[1] != 0 || head.counts[2] != 0 {
        return Err(DnsFault::Records);
    }
    let asked = Asked::read(&mut cursor)?;
    let section = message
        .get(12..cursor.at())
        .ok_or(DnsFault::CutShort)?
        .to_vec();
    let (mut edns, mut udp_bytes) = (false, PLAIN_UDP_BYTES);
    for _ in 0..head.counts[3] {
        let record = Record::read(&mut cursor)?;
        if record.record_type == OPT {
            edns = true;
            udp_bytes = record.class.max(PLAIN_UDP_BYTES);
        }
    }
    if !cursor.is_at_end() {
        return Err(DnsFault::Trailing);
    }
    Ok(Question {
        id: head.id,
        name: asked.name,
        record_type: asked.record_type,
        recursion_desired: head.flags & 0x0100 != 0,
        edns,
        udp_bytes,
        section,
    })
}

/// The OPT pseudo record (RFC 6891 section 6.1).
pub(super) const OPT: u16 = 41;

/// The first 12 bytes of a message (RFC 1035 section 4.1.1).
pub(super) struct Head {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authorities, additional records.
    pub(super) counts: [u16; 4],
}

impl Head {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, DnsFault> {
        let (id, flags) = (cursor.u16()?, cursor.u16()?);
        let counts = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
        Ok(Self { id, flags, counts })
    }

    pub(super) fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        u8::try_from(self.flags >> 11 & 0x0f).unwrap_or(u8::MAX)
    }
}

/// The one question of a message.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) record_type: u16,
}

impl Asked {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, DnsFault> {
        let (name, record_type, class) = (cursor.name()?, cursor.u16()?, cursor.u16()?);
        if class == 1 {
            Ok(Self { name, record_type })
        } else {
            Err(DnsFault::Class(class))
        }
    }
}

/// One resource record (RFC 1035 section 4.1.3).
pub(super) struct Record<'a> {
    pub(super) name: String,
    pub(super) record_type: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: &'a [u8],
    /// Where the data starts, for names in it.
    pub(super) data_at: usize,
}

impl<'a> Record<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DnsFault> {
        let name = cursor.name()?;
        let (record_type, class, ttl) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
        let length = cursor.u16()?;
        let data_at = cursor.at();
        let data = cursor.bytes(usize::from(length))?;
        Ok(Self {
            name,
            record_type,
            class,
            ttl,
            data,
            data_at,
        })
    }
}

/// The name of a record type (IANA, DNS parameters), `TYPE123` for others (RFC 3597 section 5).
fn type_name(number: u16) -> String {
    let name = match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}
