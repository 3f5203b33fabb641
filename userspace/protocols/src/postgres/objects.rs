//! Names of prepared statements and portals in the client's messages.

use crate::sql::limits::IDENTIFIER_BYTES;

use super::codec::{Broken, Frame, Header, Reader, whole};
use super::limits::SMALL_BYTES;
use super::names::ChangeKind;

/// A name as the server has it. The server tells names apart by their first 63 bytes: longer
/// ones would be different here and the same there.
pub(super) fn text_of(name: &[u8]) -> Result<String, Broken> {
    if name.len() > IDENTIFIER_BYTES {
        return Err(Broken::Name);
    }
    String::from_utf8(name.to_vec()).map_err(|_| Broken::Name)
}

/// A message, what it names, and the name.
pub(super) type Object = (Header, ChangeKind, String);

/// The body of Describe or Close, or how many bytes it takes.
pub(super) fn named_object(bytes: &[u8]) -> Result<Result<Object, usize>, Broken> {
    let (head, body) = match whole(bytes, SMALL_BYTES)? {
        Frame::Need(count) => return Ok(Err(count)),
        Frame::Whole(head, body) => (head, body),
    };
    let mut reader = Reader::new(head.kind, body);
    let what = match reader.byte()? {
        b'S' => ChangeKind::Statement,
        b'P' => ChangeKind::Portal,
        _ => return Err(Broken::Body(char::from(head.kind))),
    };
    let name = text_of(reader.string()?)?;
    reader.end()?;
    Ok(Ok((head, what, name)))
}
