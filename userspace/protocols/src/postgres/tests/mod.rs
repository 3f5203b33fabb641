//! The relay between a scripted client and a scripted server.

mod cancelling;
mod codec;
mod copying;
mod corpus;
mod flows;
mod held;
mod hostile;
mod masked;
mod names;
mod opening;
mod refused;
mod wire;
