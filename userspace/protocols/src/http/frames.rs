//! Where a body ends, in whichever way its head says so.

use super::chunked::{Chunked, Step};
use super::error::Fault;
use super::fields::Body;

/// Reads a body's frames.
#[derive(Debug, Clone)]
pub struct Frames(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Length { left: u64 },
    Chunked(Box<Chunked>),
    UntilClose,
}

impl Frames {
    /// Of a body that starts with the next byte.
    #[must_use]
    pub fn of(body: Body) -> Self {
        Self(match body {
            Body::None => Kind::Length { left: 0 },
            Body::Length(left) => Kind::Length { left },
            Body::Chunked => Kind::Chunked(Box::default()),
            Body::UntilClose => Kind::UntilClose,
        })
    }

    /// Whether the body was read to its end. One that lasts until the connection ends never is.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Kind::Length { left } => *left == 0,
            Kind::Chunked(chunked) => chunked.is_done(),
            Kind::UntilClose => false,
        }
    }

    /// How many bytes are certainly still to come; what is worth reading at once.
    #[must_use]
    pub fn expected(&self) -> Option<u64> {
        match &self.0 {
            Kind::Length { left } => Some(*left),
            Kind::Chunked(_) | Kind::UntilClose => None,
        }
    }

    /// Reads the next framing and data of `bytes`.
    ///
    /// # Errors
    /// See [`Chunked::step`].
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        match &mut self.0 {
            Kind::Length { left } => {
                let data = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(data as u64);
                Ok(Step { framing: 0, data })
            }
            Kind::Chunked(chunked) => chunked.step(bytes),
            Kind::UntilClose => Ok(Step {
                framing: 0,
                data: bytes.len(),
            }),
        }
    }

    /// How many of `bytes` belong to the body, framing included.
    ///
    /// # Errors
    /// See [`Frames::step`].
    pub fn measure(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut read = 0;
        while let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty()) {
            if self.is_done() {
                break;
            }
            let Step { framing, data } = self.step(rest)?;
            read += framing + data;
        }
        Ok(read)
    }

    /// What the end of the connection means here.
    ///
    /// # Errors
    /// [`Fault::CutShort`] where more should have come.
    pub fn end_of_stream(&self) -> Result<(), Fault> {
        match &self.0 {
            Kind::UntilClose => Ok(()),
            Kind::Length { left: 0 } => Ok(()),
            Kind::Chunked(chunked) if chunked.is_done() => Ok(()),
            Kind::Length { .. } | Kind::Chunked(_) => Err(Fault::CutShort),
        }
    }
}
