//! Frames of protocol 3 (documentation chapter 55): a type byte, a length that counts itself,
//! and that many bytes less four. All lengths are checked in 64 bits before they are used.

/// What is wrong with a peer's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A length that is too small to count itself.
    #[error("a message says it has {0} bytes; the length alone has 4")]
    Length(u32),
    /// Larger than its limit.
    #[error("a message of type {kind:?} has {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// Type byte.
        kind: char,
        /// Bytes of its body.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// The body is not what its type says.
    #[error("the body of a message of type {0:?} cannot be read")]
    Body(char),
    /// A message that has no place here.
    #[error("a message of type {0:?} is out of place")]
    OutOfPlace(char),
    /// A type that the protocol does not have.
    #[error("{0:?} is no type of message")]
    Type(char),
    /// The name of a prepared statement or portal that the server would not keep as it is.
    #[error("the name of a prepared statement or portal is over 63 bytes, or not UTF-8")]
    Name,
    /// The first packet of a connection cannot be read.
    #[error("the startup packet cannot be read: {0}")]
    Startup(&'static str),
}

impl Broken {
    /// Whether a limit was reached, as opposed to a rule of the protocol broken.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TooLong { .. } => true,
            Self::Length(_)
            | Self::Body(_)
            | Self::OutOfPlace(_)
            | Self::Type(_)
            | Self::Name
            | Self::Startup(_) => false,
        }
    }
}

/// Bytes of type and length together.
pub const HEADER_BYTES: usize = 5;

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Type byte.
    pub kind: u8,
    /// Bytes that follow the head.
    pub body: usize,
}

impl Header {
    /// Bytes of the whole message.
    #[must_use]
    pub fn frame(&self) -> usize {
        self.body.saturating_add(HEADER_BYTES)
    }

    /// Checks the body against a limit.
    ///
    /// # Errors
    /// [`Broken::TooLong`] when it is over.
    pub fn within(self, limit: usize) -> Result<Self, Broken> {
        if self.body > limit {
            return Err(Broken::TooLong {
                kind: char::from(self.kind),
                bytes: self.body as u64,
                limit,
            });
        }
        Ok(self)
    }
}

/// The head at the front of `bytes`; `None` while there are fewer than five.
///
/// # Errors
/// When the length does not even count itself.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Broken> {
    let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [kind, length @ ..] = *head;
    let length = u32::from_be_bytes(length);
    let body = length.checked_sub(4).ok_or(Broken::Length(length))?;
    let body = usize::try_from(body).map_err(|_| Broken::Length(length))?;
    Ok(Some(Header { kind, body }))
}

/// What [`whole`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// One whole message.
    Whole(Header, &'a [u8]),
    /// It takes this many bytes from its start before it can be read.
    Need(usize),
}

/// The message at the front of `bytes` when all of it is there.
///
/// # Errors
/// When its length is impossible or over `limit`.
pub fn whole(bytes: &[u8], limit: usize) -> Result<Frame<'_>, Broken> {
    let Some(header) = header(bytes)? else {
        return Ok(Frame::Need(HEADER_BYTES));
    };
    let header = header.within(limit)?;
    match bytes.get(HEADER_BYTES..header.frame()) {
        Some(body) => Ok(Frame::Whole(header, body)),
        None => Ok(Frame::Need(header.frame())),
    }
}

/// Reads the body of a message from its front; the one place where positions are counted.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the body of a message of the given type.
    #[must_use]
    pub fn new(kind: u8, body: &'a [u8]) -> Self {
        Self { kind, rest: body }
    }

    fn broken(&self) -> Broken {
        Broken::Body(char::from(self.kind))
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When there are fewer; so with all of these.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.broken())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.broken())?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, a number without sign.
    pub fn u16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, a number without sign.
    pub fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, a length; `None` for -1, which stands for NULL.
    pub fn length(&mut self) -> Result<Option<usize>, Broken> {
        let length = i32::from_be_bytes(self.array()?);
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.broken()),
        }
    }

    /// Bytes up to the next zero, which is taken too.
    pub fn string(&mut self) -> Result<&'a [u8], Broken> {
        let end = memchr::memchr(0, self.rest).ok_or_else(|| self.broken())?;
        let string = self.take(end)?;
        self.take(1)?;
        Ok(string)
    }

    /// The end of the body.
    pub fn end(self) -> Result<(), Broken> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.broken())
        }
    }
}

/// Appends a message whose body `write` makes.
///
/// # Errors
/// When the body does not fit the length field; then nothing was appended.
pub fn frame(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Broken> {
    let start = out.len();
    out.push(kind);
    out.extend_from_slice(&[0; 4]);
    write(out);
    let bytes = out.len().saturating_sub(start + 1);
    let length = i32::try_from(bytes).ok().map(i32::to_be_bytes);
    match (length, out.get_mut(start + 1..start + HEADER_BYTES)) {
        (Some(length), Some(place)) => {
            place.copy_from_slice(&length);
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(Broken::TooLong {
                kind: char::from(kind),
                bytes: bytes as u64,
                limit: super::limits::DATA_BYTES,
            })
        }
    }
}
