//! The kernel side on the running kernel: what a member does is turned, refused or told; what
//! anybody else does is left alone. Needs root; says `skipped` otherwise.
//!
//! Members are this same binary, run again in the job's cgroup (`member`): no foreign program, and
//! system calls as a job makes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

mod datagrams;
mod evasions;
mod full;
mod handed_in;
mod harness;
mod lineage;
mod member;
mod outlives;
mod redirect;

/// What a member does: a no-op in the tests' own process.
#[test]
fn member() {
    member::act();
}
