//! What the bench's own clients ask its own server: one header of 64 bytes, then the stream.
//!
//! The first byte is none that HTTP, TLS or PostgreSQL begin with: the stream is opaque.

/// Bytes of a header, of a request and of an answer.
pub(crate) const MESSAGE: usize = 64;
/// Bytes a read or write of a bulk stream.
pub(crate) const CHUNK: usize = 256 << 10;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The client sends so many bytes, the server answers with one message.
    Upload(u64),
    /// The server sends so many bytes.
    Download(u64),
    /// Every message is answered with one, this one too.
    Echo,
    /// This message is answered, then the connection is kept open.
    Hold,
}

impl Ask {
    /// The header that asks for it.
    pub(crate) fn header(self) -> [u8; MESSAGE] {
        let text = match self {
            Self::Upload(bytes) => format!("\u{1}bench upload {bytes}"),
            Self::Download(bytes) => format!("\u{1}bench download {bytes}"),
            Self::Echo => "\u{1}bench echo 0".to_owned(),
            Self::Hold => "\u{1}bench hold 0".to_owned(),
        };
        let mut header = [b' '; MESSAGE];
        for (place, byte) in header.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        header
    }

    /// What a header asks for; `None`: it is not ours.
    pub(crate) fn of(header: &[u8; MESSAGE]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?;
        let mut words = text.strip_prefix('\u{1}')?.split_whitespace();
        let ("bench", ask, bytes) = (words.next()?, words.next()?, words.next()?) else {
            return None;
        };
        let bytes = bytes.parse().ok()?;
        match ask {
            "upload" => Some(Self::Upload(bytes)),
            "download" => Some(Self::Download(bytes)),
            "echo" => Some(Self::Echo),
            "hold" => Some(Self::Hold),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_is_asked() {
        for ask in [
            Ask::Upload(0),
            Ask::Upload(u64::MAX),
            Ask::Download(1 << 33),
            Ask::Echo,
            Ask::Hold,
        ] {
            assert_eq!(Ask::of(&ask.header()), Some(ask));
        }
    }

    #[test]
    fn what_is_not_ours_is_no_header() {
        for text in [
            "",
            "GET / HTTP/1.1",
            "\u{1}bench",
            "\u{1}bench dance 1",
            "\u{1}bench echo x",
        ] {
            let mut header = [b' '; MESSAGE];
            header[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(Ask::of(&header), None, "{text}");
        }
        assert_eq!(Ask::of(&[0xff; MESSAGE]), None);
    }
}
