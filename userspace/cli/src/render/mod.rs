//! Records as people read them. Everything here is pure: records in, text out.

mod approvals;
mod chain;
mod event;
#[cfg(test)]
pub(crate) mod fixture;
mod lineage;
mod markdown;
mod note;
mod sessions;
mod status;
mod summary;
#[cfg(test)]
mod tests;
mod transcript;

pub(crate) use approvals::{approval, approvals};
pub(crate) use event::followed;
pub(crate) use lineage::tree;
pub(crate) use markdown::summary_markdown;
pub(crate) use note::note;
pub(crate) use sessions::sessions;
pub(crate) use status::status;
pub(crate) use summary::{JobEnd, RefusedOperation, refused_operations, summary_text};
pub(crate) use transcript::{summarised, transcript};
