//! Ways round the gate, and what proves that they are shut: see `tests/`.
//!
//! A vector is a small program in `vectors/` that tries to bring a word to a [`Sink`]. It is run
//! with protection off, where the word must arrive (else the vector proves nothing), and then
//! under `sluice run`, where the sink must see nothing and the record must tell of the attempt.

mod dns;
mod giver;
mod http_sink;
mod namespace;
mod record;
mod sink;
mod vector;
mod witness;

pub use dns::Dns;
pub use giver::{Giver, Patient};
pub use http_sink::HttpSink;
pub use namespace::Namespace;
pub use record::{leaf, refusals};
pub use sink::{Kind, Seen, Sink};
pub use vector::{cgroup_root, direct, direct_to, job, outcome, python, vector, vector_line};
pub use witness::Witness;

/// Refuses everything.
pub const CLOSED: &str = "version: 1\nname: closed\ndefault: deny\nrules: []\n";
