//! DataRow and the texts of errors, notices and notifications, masked and framed again.

use sluice_masking::{Hits, Masker};

use super::codec::{Broken, Reader, frame};
use super::limits::DATA_BYTES;
use super::masks::{Masked, Masking, RowPlan};

/// Appends a DataRow (its body) as it may be seen; with `seen` also as a line of text.
///
/// # Errors
/// When the body is not what it says.
pub(crate) fn data_row(
    body: &[u8],
    masking: Option<(&RowPlan, &Masking)>,
    hits: &mut Hits,
    out: &mut Vec<u8>,
    mut seen: Option<&mut Vec<u8>>,
) -> Result<(), Broken> {
    let mut reader = Reader::new(b'D', body);
    let count = reader.u16()?;
    let mut values = Vec::with_capacity(body.len());
    values.extend_from_slice(&count.to_be_bytes());
    for at in 0..usize::from(count) {
        let value = reader
            .length()?
            .map(|length| reader.take(length))
            .transpose()?;
        let masked = match (value, masking) {
            (Some(value), Some((plan, masking))) => plan.mask(at, &masking.masker, value, hits),
            (None, _) | (_, None) => Masked::Unchanged,
        };
        let value = match &masked {
            Masked::Unchanged => value,
            Masked::Bytes(bytes) => Some(bytes.as_slice()),
            Masked::Null => None,
        };
        put(value, &mut values)?;
        if let Some(seen) = &mut seen {
            if at > 0 {
                seen.push(b'\t');
            }
            seen.extend_from_slice(value.unwrap_or(b"\\N"));
        }
    }
    reader.end()?;
    if let Some(seen) = seen {
        seen.push(b'\n');
    }
    frame(out, b'D', |row| row.extend_from_slice(&values))
}

fn put(value: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Broken> {
    let Some(value) = value else {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    };
    let length = i32::try_from(value.len()).map_err(|_| Broken::TooLong {
        kind: 'D',
        bytes: value.len() as u64,
        limit: DATA_BYTES,
    })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// What an error or a notice says, as far as it is needed here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said {
    /// SQLSTATE.
    pub(crate) code: String,
}

/// Reads the code of an ErrorResponse or NoticeResponse.
///
/// # Errors
/// When the body is not what it says.
pub(crate) fn said(kind: u8, body: &[u8]) -> Result<Said, Broken> {
    let mut reader = Reader::new(kind, body);
    let mut said = Said::default();
    loop {
        match reader.byte()? {
            0 => return reader.end().map(|()| said),
            b'C' => said.code = String::from_utf8_lossy(reader.string()?).into_owned(),
            _ => {
                reader.string()?;
            }
        }
    }
}

/// Classes of SQLSTATE whose messages name things and show no values of rows.
const WITHOUT_VALUES: &[&str] = &[
    "08", "0A", "25", "26", "28", "34", "3D", "3F", "40", "42", "53", "54", "55", "57", "58",
];

/// Appends an ErrorResponse or NoticeResponse (its body) as it may be seen. With `withheld`
/// what may hold a value of a masked column is left out.
///
/// # Errors
/// When the body is not what it says.
pub(crate) fn response(
    kind: u8,
    body: &[u8],
    masker: &Masker,
    withheld: bool,
    hits: &mut Hits,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    let code = said(kind, body)?.code;
    let class = code.get(..2).unwrap_or_default();
    let withheld = withheld && !WITHOUT_VALUES.contains(&class);
    let mut reader = Reader::new(kind, body);
    let mut fields = Vec::with_capacity(body.len());
    loop {
        let field = reader.byte()?;
        if field == 0 {
            break;
        }
        let value = reader.string()?;
        match field {
            // Detail, hint, where, internal query.
            b'D' | b'H' | b'W' | b'q' if withheld => continue,
            b'M' if withheld => {
                fields.push(field);
                fields.extend_from_slice(b"sluice: message withheld, it may show a masked column");
            }
            _ => {
                fields.push(field);
                match masker.mask_bytes(value, hits) {
                    Some(masked) => fields.extend(masked.into_iter().filter(|byte| *byte != 0)),
                    None => fields.extend_from_slice(value),
                }
            }
        }
        fields.push(0);
    }
    fields.push(0);
    frame(out, kind, |out| out.extend_from_slice(&fields))
}

/// Appends a NotificationResponse (its body) with its payload masked.
///
/// # Errors
/// When the body is not what it says.
pub(crate) fn notification(
    body: &[u8],
    masker: &Masker,
    hits: &mut Hits,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    let mut reader = Reader::new(b'A', body);
    let process = reader.take(4)?;
    let channel = reader.string()?;
    let payload = reader.string()?;
    reader.end()?;
    let masked = masker.mask_bytes(payload, hits);
    frame(out, b'A', |out| {
        out.extend_from_slice(process);
        out.extend_from_slice(channel);
        out.push(0);
        let payload = masked.as_deref().unwrap_or(payload);
        out.extend(payload.iter().filter(|byte| **byte != 0));
        out.push(0);
    })
}
