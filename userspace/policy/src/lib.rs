//! Policy text to a checked policy set to a verdict with its reasons.
//!
//! Pure: no files, no clock, no network. [`PolicySet::load`] checks texts,
//! [`PolicySet::for_job`] chooses those that apply to a job, [`JobPolicy::flow`] looks at who
//! and where to once, [`FlowPolicy::admit`] gives (or refuses) the [`Permit`] without which
//! nothing is dialled, and [`FlowPolicy::decide`] judges each operation.

mod decide;
mod diagnostic;
mod flow;
mod glob;
mod job;
mod keys;
pub mod limits;
mod permit;
mod postgres;
mod read;
mod rule;
mod ruling;
mod set;
mod truth;
mod verdict;
mod what;
mod who;
mod yaml;

pub use diagnostic::{Diagnostic, PolicyErrors, Severity, Span};
pub use flow::{FlowFacts, FlowPolicy};
pub use job::JobPolicy;
pub use permit::{Admission, Permit};
pub use read::UserLookup;
pub use rule::Layer;
pub use set::{HostDefault, PolicyName, PolicySet, Source};
pub use truth::{KeyTruth, Truth};
