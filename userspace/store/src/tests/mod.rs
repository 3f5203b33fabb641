//! The log as its users meet it.

mod sample;
mod sessions;
