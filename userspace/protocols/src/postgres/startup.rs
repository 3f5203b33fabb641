//! The first packets of a connection: they have a length and no type byte.

use super::codec::{Broken, Reader};
use super::limits::{CANCEL_KEY_BYTES, STARTUP_BYTES};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// First byte of a TLS record of the handshake: direct TLS (PostgreSQL 17).
pub const TLS_HANDSHAKE: u8 = 0x16;

/// A packet that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    Gss,
    /// CancelRequest: process id and secret key of another session.
    Cancel(CancelKey),
    /// StartupMessage.
    Startup(Startup),
}

/// What a server gave out to cancel a session by (BackendKeyData).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// Process id and secret, as on the wire.
    bytes: Vec<u8>,
}

impl CancelKey {
    /// From the body of BackendKeyData, or of CancelRequest behind its code.
    ///
    /// # Errors
    /// When the secret is empty or over [`CANCEL_KEY_BYTES`].
    pub fn read(kind: u8, body: &[u8]) -> Result<Self, Broken> {
        if body.len() <= 4 || body.len() > 4 + CANCEL_KEY_BYTES {
            return Err(Broken::Body(char::from(kind)));
        }
        Ok(Self {
            bytes: body.to_vec(),
        })
    }
}

/// A StartupMessage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Minor version of protocol 3.
    pub minor: u16,
    /// Parameters in their order. What is no UTF-8 is replaced.
    pub parameters: Vec<(String, String)>,
}

impl Startup {
    /// The last value of a parameter, which is the one that counts.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.parameters.iter().rev();
        named
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it asks for the replication protocol, which is another language.
    #[must_use]
    pub fn wants_replication(&self) -> bool {
        let off = ["false", "off", "no", "0", "f", "n", "of"];
        self.parameters.iter().any(|(name, value)| {
            name == "replication" && !off.contains(&value.to_ascii_lowercase().as_str())
        })
    }

    /// The run-time parameters that it sets: by themselves, and in `options` as `-c name=value`
    /// or `--name=value`. `None` when `options` holds anything else.
    #[must_use]
    pub fn settings(&self) -> Option<Vec<(String, String)>> {
        const NO_SETTINGS: &[&str] = &["user", "database", "options", "replication"];
        let mut settings: Vec<(String, String)> = self
            .parameters
            .iter()
            .filter(|(name, _)| !NO_SETTINGS.contains(&name.as_str()) && !name.starts_with("_pq_."))
            .cloned()
            .collect();
        let options = self.parameters.iter().filter(|(name, _)| name == "options");
        for (_, options) in options {
            settings.extend(command_line(options)?);
        }
        Some(settings)
    }
}

/// The settings of an `options` parameter; a backslash takes the next character as it is.
fn command_line(options: &str) -> Option<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(c) = characters.next() {
        match (c, words.last_mut()) {
            (c, Some(word)) if c.is_ascii_whitespace() && !word.is_empty() => {
                words.push(String::new());
            }
            (c, _) if c.is_ascii_whitespace() => {}
            ('\\', Some(word)) => word.extend(characters.next()),
            (c, Some(word)) => word.push(c),
            (_, None) => return None,
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(setting), _) => setting.to_owned(),
            (None, Some("")) => words.next()?,
            (None, Some(setting)) => setting.to_owned(),
            (None, None) => return None,
        };
        let (name, value) = setting.split_once('=')?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Some(settings)
}

/// What [`opening`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A packet, and how many bytes it took.
    Packet(Opening, usize),
    /// It takes this many bytes before it can be read.
    Need(usize),
}

/// The opening packet at the front of `bytes`.
///
/// # Errors
/// When it is none of protocol 3, or longer than [`STARTUP_BYTES`].
pub fn opening(bytes: &[u8]) -> Result<Opened, Broken> {
    let Some((length, _)) = bytes.split_first_chunk::<4>() else {
        return Ok(Opened::Need(4));
    };
    let length = usize::try_from(u32::from_be_bytes(*length))
        .map_err(|_| Broken::Startup("its length is impossible"))?;
    if !(8..=STARTUP_BYTES).contains(&length) {
        return Err(Broken::Startup("its length is impossible"));
    }
    let Some(body) = bytes.get(4..length) else {
        return Ok(Opened::Need(length));
    };
    Ok(Opened::Packet(packet(body)?, length))
}

fn packet(body: &[u8]) -> Result<Opening, Broken> {
    let mut reader = Reader::new(b'?', body);
    let code = reader.u32()?;
    match code {
        SSL_REQUEST => reader.end().map(|()| Opening::Ssl),
        GSS_REQUEST => reader.end().map(|()| Opening::Gss),
        CANCEL_REQUEST => CancelKey::read(b'?', reader.rest()).map(Opening::Cancel),
        _ if code >> 16 == 3 => startup(code, reader).map(Opening::Startup),
        _ => Err(Broken::Startup("it is of no protocol version 3")),
    }
}

fn startup(code: u32, mut reader: Reader<'_>) -> Result<Startup, Broken> {
    let mut parameters = Vec::new();
    loop {
        let name = reader.string()?;
        if name.is_empty() {
            reader.end()?;
            break;
        }
        let value = reader.string()?;
        parameters.push((
            String::from_utf8_lossy(name).into_owned(),
            String::from_utf8_lossy(value).into_owned(),
        ));
    }
    Ok(Startup {
        minor: u16::try_from(code & 0xffff).unwrap_or_default(),
        parameters,
    })
}

/// Whether the first bytes of a client are PostgreSQL's; `None` while they do not tell.
///
/// Direct TLS (first byte 0x16) is TLS and not told from it.
#[must_use]
pub fn looks_like(prefix: &[u8]) -> Option<bool> {
    let length = prefix.iter().take(4);
    let small: [u8; 2] = [0, 0];
    // A startup packet has less than 64 KiB: two zero bytes come first.
    if length.clone().zip(small).any(|(byte, zero)| *byte != zero) {
        return Some(false);
    }
    let (head, _) = prefix.split_first_chunk::<8>()?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    let code = u32::from_be_bytes([c0, c1, c2, c3]);
    let known = matches!(code, SSL_REQUEST | GSS_REQUEST | CANCEL_REQUEST) || code >> 16 == 3;
    let fits = usize::try_from(length).is_ok_and(|length| (8..=STARTUP_BYTES).contains(&length));
    Some(known && fits)
}
