//! The kernel programs, built by `build.rs` and part of the binary.

/// The ELF object, aligned as the loader wants it.
pub(crate) fn bytes() -> &'static [u8] {
    aya::include_bytes_aligned!(env!("SLUICE_PROGRAMS"))
}
