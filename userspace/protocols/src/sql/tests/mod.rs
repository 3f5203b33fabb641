//! Statements, and what is known of them.

mod effects;
mod lexing;
mod outputs;
mod tables;

use super::{Analysed, analyse};

/// The one statement of a text.
fn one(text: &str) -> Analysed {
    let mut statements = analyse(text);
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0)
}
