//! protocols.
