//! Policy text to a checked policy set to a verdict with its reasons.
//!
//! Pure: no files, no clock, no network. [`PolicySet::load`] checks texts,
//! [`PolicySet::for_job`] chooses those that apply to a job, [`JobPolicy::flow`] looks at who
//! and where to once, [`FlowPolicy::admit`] gives (or refuses) the [`Permit`] without which
//! nothing is dialled, and [`FlowPolicy::decide`] judges each operation.

mod cases;
mod decide;
mod diagnostic;
mod explain;
mod flow;
mod glob;
mod index;
mod job;
mod keys;
#[cfg(test)]
#[path = "layers_tests.rs"]
mod layers;
pub mod limits;
mod lint;
#[cfg(test)]
#[path = "past_bugs_tests.rs"]
mod past_bugs;
mod permit;
mod postgres;
#[cfg(test)]
#[path = "properties_tests.rs"]
mod properties;
mod read;
mod rule;
mod ruling;
mod schema;
mod set;
#[cfg(test)]
#[path = "status_tests.rs"]
mod status;
#[cfg(test)]
mod testing;
mod truth;
mod verdict;
mod what;
mod who;
mod yaml;

pub use cases::{CaseResult, SqlParser, run_cases};
pub use diagnostic::{Diagnostic, PolicyErrors, Severity, Span};
pub use explain::{ExplainedLayer, ExplainedPart, ExplainedRule, Explanation};
pub use flow::{FlowFacts, FlowPolicy};
pub use job::JobPolicy;
pub use lint::{Finding, Lint, check};
pub use permit::{Admission, Permit};
pub use read::UserLookup;
pub use rule::Layer;
pub use schema::schema;
pub use set::{HostDefault, PolicyName, PolicySet, Source};
pub use truth::{KeyTruth, Truth};
