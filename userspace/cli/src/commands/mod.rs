//! One file a command: ask, render, print.

pub(crate) mod approvals;
pub(crate) mod daemon;
mod follow;
pub(crate) mod lineage;
pub(crate) mod policy;
mod policy_files;
mod policy_test;
pub(crate) mod run;
pub(crate) mod sessions;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod store;
