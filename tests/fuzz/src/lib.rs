//! What the fuzz targets share: cutting a stream into chunks, and peers that are made of them.

pub mod http;
pub mod postgres;
pub mod session;

/// Cuts bytes into chunks whose lengths follow from one byte, so that a seed stays readable: its
/// first byte says how it is cut, the rest is the stream itself.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    state: u32,
}

/// No chunk is longer.
const LONGEST_CHUNK: u32 = 64;

impl Cuts {
    /// The cuts that `seed` stands for; 0 is every byte by itself.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self {
            state: u32::from(seed),
        }
    }

    /// The chunks, none of them empty, that are `bytes` when they are put together.
    pub fn of(mut self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let (chunk, after) = rest.split_at(self.next_length().min(rest.len()));
            rest = after;
            (!chunk.is_empty()).then_some(chunk)
        })
    }

    /// A multiplicative generator: 0 stays 0, everything else wanders.
    fn next_length(&mut self) -> usize {
        self.state = self.state.wrapping_mul(1_664_525) ^ (self.state >> 7);
        (self.state % LONGEST_CHUNK) as usize + 1
    }
}

/// An input's cuts, and what is cut.
#[must_use]
pub fn cuts_and_stream(input: &[u8]) -> Option<(Cuts, &[u8])> {
    let (seed, stream) = input.split_first()?;
    Some((Cuts::new(*seed), stream))
}
