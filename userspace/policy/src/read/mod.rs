//! YAML values to a checked policy. Reading goes on after an error, so that one run tells all
//! of them.

mod fields;
mod mask;
mod policy;
mod rule;
mod what;
mod who;

pub use fields::UserLookup;
pub(crate) use fields::{Fields, Reader};
pub(crate) use mask::DETECTORS;
pub(crate) use policy::read_policy;
pub(crate) use what::{STATUSES, read_duration};

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod tests;
