//! Encrypted ClientHello keys (RFC 9849) in SVCB and HTTPS records (RFC 9460): with one a client
//! hides the name that it asks for inside of TLS, and names are what the gate judges by.

use super::question::{Head, Record};
use super::{Cursor, DnsFault};

const SVCB: u16 = 64;
const HTTPS: u16 = 65;
/// SvcParamKey `ech` (RFC 9848).
const ECH: u16 = 5;
/// A record type for private use (RFC 6895 section 3.1): clients pass over it.
const HIDDEN: u16 = 0xff00;
/// Bytes of a record between its name and its data: type, class, TTL, length.
const FIXED_BYTES: usize = 10;

/// Makes each SVCB and HTTPS record of an answer that has an `ech` parameter, or that cannot be
/// read, one of a type that nobody knows, in any section. Clients then connect as if there were
/// none. No byte moves, so that compression pointers hold, but for those that no honest server
/// makes: into a type. So an answer is read after this. A signature of the records does not hold.
///
/// # Errors
/// A message that is malformed.
pub fn hide_ech(message: &mut [u8]) -> Result<(), DnsFault> {
    let hidden = HIDDEN.to_be_bytes();
    for at in types_to_hide(message)? {
        let place = message.get_mut(at..at + hidden.len());
        place.ok_or(DnsFault::CutShort)?.copy_from_slice(&hidden);
    }
    Ok(())
}

/// Where the types of these records stand.
fn types_to_hide(message: &[u8]) -> Result<Vec<usize>, DnsFault> {
    let mut cursor = Cursor::new(message);
    let head = Head::read(&mut cursor)?;
    let [questions, answers, authorities, additional] = head.counts.map(u32::from);
    for _ in 0..questions {
        cursor.name()?;
        cursor.bytes(4)?;
    }
    let mut found = Vec::new();
    for _ in 0..answers + authorities + additional {
        let record = Record::read(&mut cursor)?;
        let bound = matches!(record.record_type, SVCB | HTTPS);
        // Not read for certain is taken for one that has it.
        if bound && has_ech(message, &record).unwrap_or(true) {
            found.push(record.data_at.saturating_sub(FIXED_BYTES));
        }
    }
    Ok(found)
}

/// Priority, target name, then parameters: key, length, value (RFC 9460 section 2.2).
fn has_ech(message: &[u8], record: &Record<'_>) -> Result<bool, DnsFault> {
    let end = record.data_at + record.data.len();
    let mut cursor = Cursor::new(message.get(..end).ok_or(DnsFault::CutShort)?);
    cursor.bytes(record.data_at)?;
    let _priority = cursor.u16()?;
    cursor.name()?;
    while !cursor.is_at_end() {
        let (key, length) = (cursor.u16()?, cursor.u16()?);
        if key == ECH {
            return Ok(true);
        }
        cursor.bytes(usize::from(length))?;
    }
    Ok(false)
}
