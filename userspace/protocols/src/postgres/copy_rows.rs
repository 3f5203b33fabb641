//! Rows of COPY TO STDOUT, masked line by line, wherever the stream is cut.

use sluice_masking::Hits;

use crate::sql::{CopyFormat, CopyOut, Output};

use super::limits::MASKED_ROW_BYTES;
use super::masks::{Masked, Masking, RowPlan};

/// A line, or the rest of one, is longer than what can be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Masks the lines of one COPY.
pub(crate) struct CopyRows {
    masking: Masking,
    how: CopyOut,
    output: Output,
    plan: Option<RowPlan>,
    header: bool,
    /// The line that has not ended.
    line: Vec<u8>,
    /// Inside of quotes (CSV).
    quoted: bool,
    /// The byte before was an escape (text) or the escape of a quote (CSV).
    escaped: bool,
}

impl CopyRows {
    /// For the rows of a statement; `None` for binary ones, which cannot be masked.
    pub(crate) fn new(masking: Masking, how: CopyOut, output: Output) -> Option<Self> {
        if how.format == CopyFormat::Binary {
            return None;
        }
        let header = how.header;
        Some(Self {
            masking,
            how,
            output,
            plan: None,
            header,
            line: Vec::new(),
            quoted: false,
            escaped: false,
        })
    }

    /// Takes the next bytes and appends the lines that are whole, masked.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        hits: &mut Hits,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        while let Some(end) = self.line_end(bytes) {
            let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            self.keep(line)?;
            self.finish(hits, out);
            bytes = rest;
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > MASKED_ROW_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// How many bytes belong to the present line, its end included; `None`: all, and more.
    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            if self.ends_line(*byte) {
                return Some(at + 1);
            }
        }
        None
    }

    fn ends_line(&mut self, byte: u8) -> bool {
        match self.how.format {
            CopyFormat::Text | CopyFormat::Binary => {
                let escaped = std::mem::take(&mut self.escaped);
                self.escaped = byte == b'\\' && !escaped;
                byte == b'\n' && !escaped
            }
            CopyFormat::Csv => {
                let escaped = std::mem::take(&mut self.escaped);
                let (quote, escape) = (self.how.quote, self.how.escape);
                if escaped {
                    // Whatever it is, it is part of the value.
                } else if self.quoted && byte == escape && escape != quote {
                    self.escaped = true;
                } else if byte == quote {
                    // A doubled quote closes and opens again.
                    self.quoted = !self.quoted;
                }
                byte == b'\n' && !self.quoted
            }
        }
    }

    /// Masks the line that is there, at its end or at that of the stream.
    pub(crate) fn finish(&mut self, hits: &mut Hits, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        (self.quoted, self.escaped) = (false, false);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = match self.how.format {
            CopyFormat::Csv => text.strip_suffix(b"\r").unwrap_or(text),
            CopyFormat::Text | CopyFormat::Binary => text,
        };
        let end = line.get(text.len()..).unwrap_or_default();
        if text == b"\\." {
            out.extend_from_slice(&line);
            return;
        }
        let fields = self.split(text);
        if std::mem::take(&mut self.header) {
            self.plan = Some(self.named_plan(&fields));
            // Names are not known to be names before they were looked at.
            let masker = &self.masking.masker;
            self.write(&fields, out, |_, name| {
                let masked = masker.mask_bytes(name, hits);
                masked.map_or(Masked::Unchanged, Masked::Bytes)
            });
        } else {
            let plan = match self.plan.take() {
                Some(plan) if plan.len() == fields.len() => plan,
                Some(_) | None => RowPlan::of_copy(&self.masking, &self.output, &[], fields.len()),
            };
            let masker = &self.masking.masker;
            self.write(&fields, out, |at, value| plan.mask(at, masker, value, hits));
            self.plan = Some(plan);
        }
        out.extend_from_slice(end);
    }

    /// How rows are masked whose header has these names.
    fn named_plan(&self, fields: &[&[u8]]) -> RowPlan {
        let names: Vec<String> = fields
            .iter()
            .map(|field| String::from_utf8_lossy(&self.value(field).unwrap_or_default()).into())
            .collect();
        RowPlan::of_copy(&self.masking, &self.output, &names, names.len())
    }

    fn write(
        &self,
        fields: &[&[u8]],
        out: &mut Vec<u8>,
        mut mask: impl FnMut(usize, &[u8]) -> Masked,
    ) {
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(self.how.delimiter);
            }
            // NULL stays what it is.
            let masked = self.value(field).map(|value| mask(at, &value));
            match masked.unwrap_or(Masked::Unchanged) {
                Masked::Unchanged => out.extend_from_slice(field),
                Masked::Bytes(value) => self.escape(&value, out),
                Masked::Null => out.extend_from_slice(self.how.null.as_bytes()),
            }
        }
    }

    /// The fields of a line as they are written.
    fn split<'l>(&self, line: &'l [u8]) -> Vec<&'l [u8]> {
        let (mut quoted, mut escaped) = (false, false);
        let csv = self.how.format == CopyFormat::Csv;
        line.split(|byte| {
            let was_escaped = std::mem::take(&mut escaped);
            if was_escaped {
                return false;
            }
            if csv {
                if quoted && *byte == self.how.escape && self.how.escape != self.how.quote {
                    escaped = true;
                } else if *byte == self.how.quote {
                    quoted = !quoted;
                }
            } else {
                escaped = *byte == b'\\';
            }
            *byte == self.how.delimiter && !quoted
        })
        .collect()
    }

    /// The value of a field; `None` for NULL.
    fn value(&self, field: &[u8]) -> Option<Vec<u8>> {
        if field == self.how.null.as_bytes() {
            return None;
        }
        Some(match self.how.format {
            CopyFormat::Text | CopyFormat::Binary => unescape(field),
            CopyFormat::Csv => self.unquote(field),
        })
    }

    fn unquote(&self, field: &[u8]) -> Vec<u8> {
        let (quote, escape) = (self.how.quote, self.how.escape);
        let mut value = Vec::with_capacity(field.len());
        let mut bytes = field.iter().copied().peekable();
        let mut quoted = false;
        while let Some(byte) = bytes.next() {
            let next = bytes.peek().copied();
            if quoted && byte == escape && next.is_some_and(|n| n == quote || n == escape) {
                value.extend(bytes.next());
            } else if byte == quote {
                quoted = !quoted;
            } else {
                value.push(byte);
            }
        }
        value
    }

    /// Writes a value so that it reads back as it is.
    fn escape(&self, value: &[u8], out: &mut Vec<u8>) {
        match self.how.format {
            CopyFormat::Text | CopyFormat::Binary => {
                for byte in value {
                    match byte {
                        b'\n' => out.extend_from_slice(b"\\n"),
                        b'\r' => out.extend_from_slice(b"\\r"),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        b'\\' => out.extend_from_slice(b"\\\\"),
                        byte if *byte == self.how.delimiter => out.extend([b'\\', *byte]),
                        byte => out.push(*byte),
                    }
                }
            }
            CopyFormat::Csv => {
                out.push(self.how.quote);
                for byte in value {
                    if *byte == self.how.quote || *byte == self.how.escape {
                        out.push(self.how.escape);
                    }
                    out.push(*byte);
                }
                out.push(self.how.quote);
            }
        }
    }
}

/// Reads the escapes of COPY's text format.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        let Some(escaped) = bytes.next() else {
            value.push(byte);
            break;
        };
        match escaped {
            b'b' => value.push(0x08),
            b'f' => value.push(0x0c),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(0x0b),
            b'0'..=b'7' => {
                let mut code = u32::from(escaped - b'0');
                for _ in 0..2 {
                    if let Some(digit) = bytes.next_if(|b| (b'0'..=b'7').contains(b)) {
                        code = code * 8 + u32::from(digit - b'0');
                    }
                }
                value.push(u8::try_from(code & 0xff).unwrap_or_default());
            }
            other => value.push(other),
        }
    }
    value
}
