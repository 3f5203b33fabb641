//! The log as its users meet it.

mod corpus;
mod crash;
mod faults;
mod frames;
mod index;
mod notes;
mod retention;
mod sample;
mod sessions;
mod syncing;
mod verifying;
