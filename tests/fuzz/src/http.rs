//! Reading HTTP in pieces.

use sluice_protocols::http::Fault;
use sluice_protocols::http::chunked::Step;
use sluice_protocols::http::frames::Frames;
use sluice_protocols::http::scan::{HeadScan, Scanned};

/// Looks for the end of a head while its bytes come in.
///
/// # Errors
/// See [`HeadScan::scan`].
pub fn head<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Scanned, Fault> {
    let (mut scan, mut bytes) = (HeadScan::default(), Vec::new());
    for chunk in chunks {
        bytes.extend_from_slice(chunk);
        match scan.scan(&bytes)? {
            Scanned::NeedMore => {}
            found @ (Scanned::EmptyLine | Scanned::Head(_)) => return Ok(found),
        }
    }
    Ok(Scanned::NeedMore)
}

/// A body, as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    /// Its data, without framing.
    pub data: Vec<u8>,
    /// Bytes of the stream that belong to it.
    pub used: usize,
    /// Whether it was read to its end.
    pub done: bool,
}

/// Reads a body while its bytes come in, up to its end.
///
/// # Errors
/// See [`Frames::step`].
///
/// # Panics
/// When a step says that it read more than there was, or nothing at all.
pub fn body<'a>(mut frames: Frames, chunks: impl Iterator<Item = &'a [u8]>) -> Result<Body, Fault> {
    let (mut data, mut used) = (Vec::new(), 0);
    for mut rest in chunks {
        while !rest.is_empty() && !frames.is_done() {
            let step: Step = frames.step(rest)?;
            let (of_step, behind) = rest.split_at(step.framing + step.data);
            assert!(!of_step.is_empty(), "a step that reads nothing");
            data.extend_from_slice(&of_step[step.framing..]);
            used += of_step.len();
            rest = behind;
        }
    }
    let done = frames.is_done();
    assert!(!done || frames.end_of_stream().is_ok());
    Ok(Body { data, used, done })
}
