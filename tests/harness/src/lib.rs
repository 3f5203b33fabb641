//! Real servers, real clients and the sluice binary, for tests, the demo and the bench.
//!
//! Servers run on free ports of loopback addresses, in temporary directories, and are stopped
//! by pid when their guard is dropped, also after a failure.

mod http;
mod postgres;
mod process;
mod scratch;
mod sluice;

pub use http::Nginx;
pub use postgres::{POSTGRES_BIN, Postgres};
pub use process::{Daemonised, wait_for_port};
pub use scratch::{REMOTE, Scratch, free_port};
pub use sluice::{Job, Sluice, binary};

/// Why tests that need the kernel cannot run here; `None`: they can.
#[must_use]
pub fn cannot_capture() -> Option<&'static str> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root");
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("the kernel has no BTF");
    }
    None
}

/// Says that a test is skipped, in the words that `cargo xtask test` counts.
pub fn skipped(name: &str, reason: &str) {
    println!("skipped: {name}: {reason}");
}
