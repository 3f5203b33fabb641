//! How each column of a result is masked, and masking one value.

use std::borrow::Cow;
use std::sync::Arc;

use sluice_masking::{ColumnMask, Detected, Hits, Masker};

use crate::sql::{self, Origins, Output};

use super::codec::{Broken, Reader};
use super::forms::{Form, form, numeric_text};

/// What stands for a value that may have been made from a masked column.
const REDACTED: &str = "[redacted:column]";

/// The masks of one operation.
#[derive(Clone)]
pub(crate) struct Masking {
    pub(crate) masker: Arc<Masker>,
    /// Some rule names columns: what may come from any column is then not shown.
    pub(crate) columns: bool,
}

/// What one masked value becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Masked {
    /// It passes as it is.
    Unchanged,
    /// This instead.
    Bytes(Vec<u8>),
    /// NULL: its type cannot hold a mask.
    Null,
}

/// How one column is masked.
#[derive(Debug, Clone, Copy)]
struct Column {
    form: Form,
    /// The rule that names it, if one does.
    mask: ColumnMask,
    /// It may have been made from a masked column: nothing of it is shown.
    whole: bool,
}

/// How the columns of a result are masked.
#[derive(Debug, Clone)]
pub(crate) struct RowPlan {
    columns: Vec<Column>,
}

impl RowPlan {
    /// From a RowDescription (its body) and what the statement tells of its columns.
    pub(crate) fn described(
        masking: &Masking,
        output: &Output,
        description: &[u8],
    ) -> Result<Self, Broken> {
        let fields = describe(description)?;
        let names: Vec<Cow<'_, str>> = fields
            .iter()
            .map(|field| String::from_utf8_lossy(field.name))
            .collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let origins = sql::origins(output, &names);
        let columns = fields
            .iter()
            .zip(&origins)
            .map(|(field, (origins, direct))| {
                column(masking, origins, *direct, form(field.oid, field.binary))
            })
            .collect();
        Ok(Self { columns })
    }

    /// For COPY: values are text, and names are known only where the text gives them.
    pub(crate) fn of_copy(
        masking: &Masking,
        output: &Output,
        names: &[String],
        count: usize,
    ) -> Self {
        let origins = if names.is_empty() {
            sql::unnamed_origins(output, count)
        } else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            sql::origins(output, &names)
        };
        let columns = origins
            .iter()
            .map(|(origins, direct)| column(masking, origins, *direct, Form::Text))
            .collect();
        Self { columns }
    }

    /// Columns that are known.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Masks the value of a column.
    pub(crate) fn mask(&self, at: usize, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        match self.columns.get(at) {
            Some(column) => column.mask(masker, value, hits),
            // More values than were described.
            None => Masked::Null,
        }
    }
}

/// One field of a RowDescription.
struct Field<'a> {
    name: &'a [u8],
    oid: u32,
    binary: bool,
}

fn describe(body: &[u8]) -> Result<Vec<Field<'_>>, Broken> {
    let mut reader = Reader::new(b'T', body);
    let count = reader.u16()?;
    let mut fields = Vec::with_capacity(usize::from(count).min(sql::limits::MAX_COLUMNS));
    for _ in 0..count {
        let name = reader.string()?;
        let _table = reader.u32()?;
        let _attribute = reader.u16()?;
        let oid = reader.u32()?;
        let _size = reader.u16()?;
        let _modifier = reader.u32()?;
        let binary = match reader.u16()? {
            0 => false,
            1 => true,
            // There are no others: what such a value is, is not known.
            _ => return Err(Broken::Body('T')),
        };
        fields.push(Field { name, oid, binary });
    }
    reader.end()?;
    Ok(fields)
}

fn column(masking: &Masking, origins: &Origins, direct: bool, form: Form) -> Column {
    let masker = &masking.masker;
    let mut named = Vec::new();
    let mut any = false;
    for origin in origins.iter() {
        match (&origin.table, &origin.column) {
            (Some(table), Some(column)) => named.push(masker.column(&format!("{table}.{column}"))),
            (None, Some(column)) => named.push(masker.column(column)),
            (_, None) => any |= masking.columns,
        }
    }
    let rule = named.iter().copied().find(|mask| mask.is_named());
    let mask = rule.unwrap_or_else(|| masker.column(""));
    Column {
        form,
        mask,
        whole: any || (rule.is_some() && !(direct && named.len() == 1)),
    }
}

/// Whether the text of an error or a notice may show a value of a masked column.
pub(crate) fn may_show(masking: &Masking, mentions: &Origins) -> bool {
    let shown = column(masking, mentions, false, Form::Text);
    shown.whole || shown.mask.is_named()
}

impl Column {
    fn mask(&self, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        let form = match self.form {
            Form::Users if is_text(value) => Form::Text,
            Form::Users => Form::Other,
            form => form,
        };
        if self.whole {
            return self.redacted(form, masker, value, hits);
        }
        match form {
            Form::Plain(most) if !self.mask.is_named() && value.len() <= most => Masked::Unchanged,
            Form::Text | Form::Bytes => changed(masker.mask_column(self.mask, value, hits)),
            Form::Json if !self.mask.is_named() => changed(masker.mask_json(value, hits)),
            Form::Json => changed(
                masker
                    .mask_column(self.mask, value, hits)
                    .map(|text| json_string(&text)),
            ),
            Form::BinaryJson => self.binary_json(masker, value, hits),
            Form::Hex => self.hex(masker, value, hits),
            Form::Number => self.number(masker, value, hits),
            Form::Numeric => {
                let text = numeric_text(value);
                self.or_null(
                    masker,
                    text.as_ref().map_or(value, |text| text.as_bytes()),
                    hits,
                )
            }
            Form::Other | Form::Users | Form::Plain(_) => self.or_null(masker, value, hits),
        }
    }

    /// Nothing of the value; it still counts as a hit of the rule.
    fn redacted(&self, form: Form, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        if self.mask.is_named() {
            let _ = masker.mask_column(self.mask, value, hits);
        } else {
            hits.add(Detected::Column, "column");
        }
        match form {
            Form::Text | Form::Bytes => Masked::Bytes(REDACTED.into()),
            Form::Json => Masked::Bytes(json_string(REDACTED.as_bytes())),
            Form::BinaryJson
            | Form::Hex
            | Form::Number
            | Form::Numeric
            | Form::Users
            | Form::Plain(_)
            | Form::Other => Masked::Null,
        }
    }

    fn binary_json(&self, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        let Some((version, json)) = value.split_first() else {
            return Masked::Null;
        };
        let masked = if self.mask.is_named() {
            masker
                .mask_column(self.mask, json, hits)
                .map(|text| json_string(&text))
        } else {
            masker.mask_json(json, hits)
        };
        changed(masked.map(|json| [&[*version], json.as_slice()].concat()))
    }

    fn hex(&self, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        match value.strip_prefix(b"\\x").and_then(unhex) {
            Some(bytes) => changed(masker.mask_column(self.mask, &bytes, hits).map(|b| hex(&b))),
            // bytea_output = escape
            None => self.or_null(masker, value, hits),
        }
    }

    fn number(&self, masker: &Masker, value: &[u8], hits: &mut Hits) -> Masked {
        let Ok(bytes) = <[u8; 8]>::try_from(value) else {
            return Masked::Null;
        };
        let digits = i64::from_be_bytes(bytes).to_string();
        self.or_null(masker, digits.as_bytes(), hits)
    }

    /// For a type that cannot hold a mask: NULL where there is something to mask in what is
    /// shown of it.
    fn or_null(&self, masker: &Masker, shown: &[u8], hits: &mut Hits) -> Masked {
        match masker.mask_column(self.mask, shown, hits) {
            Some(_) => Masked::Null,
            None => Masked::Unchanged,
        }
    }
}

/// Whether bytes are characters and nothing else: lengths and numbers in binary are not.
fn is_text(value: &[u8]) -> bool {
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    !value.iter().any(control) && std::str::from_utf8(value).is_ok()
}

fn changed(masked: Option<Vec<u8>>) -> Masked {
    masked.map_or(Masked::Unchanged, Masked::Bytes)
}

/// A masked text as a JSON string.
fn json_string(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out.into_bytes()
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |d: u8| {
        char::from(d)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect()).flatten()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(bytes.len() * 2 + 2);
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    out
}
