//! The one bounded reader of DNS messages.

use super::DnsFault;

/// Bytes of a name on the wire, with its length bytes (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 255;

/// Bytes before the question: no name stands in them (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;

/// Reads a message from its start.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a message.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DnsFault::CutShort`].
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], DnsFault> {
        let end = self.at.checked_add(count).ok_or(DnsFault::CutShort)?;
        let bytes = self.message.get(self.at..end).ok_or(DnsFault::CutShort)?;
        self.at = end;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, DnsFault> {
        let bytes = self.bytes(1)?;
        bytes.first().copied().ok_or(DnsFault::CutShort)
    }

    /// The next two bytes, most significant first.
    ///
    /// # Errors
    /// [`DnsFault::CutShort`].
    pub fn u16(&mut self) -> Result<u16, DnsFault> {
        let bytes = self.bytes(2)?;
        bytes
            .try_into()
            .map(u16::from_be_bytes)
            .map_err(|_| DnsFault::CutShort)
    }

    /// The next four bytes, most significant first.
    ///
    /// # Errors
    /// [`DnsFault::CutShort`].
    pub fn u32(&mut self) -> Result<u32, DnsFault> {
        let bytes = self.bytes(4)?;
        bytes
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| DnsFault::CutShort)
    }

    /// A name in lower case, without the trailing dot (`.` for the root). A byte of a label that
    /// is no letter, digit, `-` or `_` is `\DDD` (RFC 1035 section 5.1), so that a dot inside of
    /// a label cannot pass for the border of two.
    ///
    /// # Errors
    /// [`DnsFault::Name`], [`DnsFault::Pointer`], [`DnsFault::CutShort`].
    pub fn name(&mut self) -> Result<String, DnsFault> {
        let mut name = String::new();
        let mut wire = 1;
        let mut reader = Self {
            message: self.message,
            at: self.at,
        };
        // A pointer must point before where the bytes that hold it began: each jump goes further
        // back, so there are fewer jumps than bytes.
        let mut floor = self.at;
        let mut after = None;
        loop {
            let length = reader.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    wire += 1 + usize::from(length);
                    if wire > NAME_BYTES {
                        return Err(DnsFault::Name);
                    }
                    push_label(&mut name, reader.bytes(usize::from(length))?);
                }
                0xc0.. => {
                    let low = reader.u8()?;
                    after.get_or_insert(reader.at);
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    // A name in the header would be another one in the next message that
                    // repeats the question.
                    if target >= floor || target < HEADER_BYTES {
                        return Err(DnsFault::Pointer);
                    }
                    (floor, reader.at) = (target, target);
                }
                64..=0xbf => return Err(DnsFault::Name),
            }
        }
        self.at = after.unwrap_or(reader.at);
        if name.is_empty() {
            name.push('.');
        }
        Ok(name)
    }
}

fn push_label(name: &mut String, label: &[u8]) {
    if !name.is_empty() {
        name.push('.');
    }
    for byte in label {
        match byte {
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                name.push(char::from(byte.to_ascii_lowercase()));
            }
            other => name.push_str(&format!("\\{other:03}")),
        }
    }
}
