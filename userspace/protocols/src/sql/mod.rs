//! What an SQL text does: effect, tables, and where the columns of its answer come from.
//!
//! PostgreSQL's own lexical rules (`lexer`) cut the message into statements and tokens;
//! statements without expressions are read from their tokens (`commands`), queries and
//! data changes are parsed by `sqlparser` from a text that is written anew from the tokens
//! (`parsed`, `walk`, `output`). What cannot be understood has [`Effect::Unknown`]
//! and its text, and never opens anything.
//!
//! What no text can tell, and what is therefore not promised: what a view, a rule, a trigger,
//! a user's operator or cast does behind the names that a statement uses; a column that is
//! really a user's one-argument function in attribute notation (`t.f`; the server's own
//! functions are known there); which schema an unqualified name is found in (it is reported
//! without one).

mod cache;
mod columns;
mod commands;
mod copy;
mod functions;
mod kind;
mod lexer;
pub mod limits;
mod model;
mod output;
mod parsed;
mod scope;
mod select;
mod settings;
mod split;
mod strings;
mod table_names;
mod walk;

#[cfg(test)]
mod tests;

pub use cache::ParseCache;
pub use columns::{origins, unnamed_origins};
pub use copy::{CopyFormat, CopyOut};
pub use model::{Acts, Analysed, Item, Origin, Origins, Output, StarSource};
pub use settings::settings_effect;
pub use sluice_flow::{Effect, Statement};

use kind::Reading;
use lexer::{Kind, Token};
use limits::{ANALYSED_BYTES, MAX_STATEMENTS};
use parsed::Shape;

/// The statements of a message, in the order in which the server runs them.
///
/// A text that cannot be cut for certain, or is over a limit of [`limits`], is one statement
/// of unknown effect. Names of prepared statements and cursors are left as they are: who
/// knows the session resolves them ([`Acts`]).
#[must_use]
pub fn analyse(text: &str) -> Vec<Analysed> {
    read(text, |shape, tokens| shape.analyse(tokens)).0
}

/// The same, with a way to analyse shapes; and whether the text has no constants in it.
fn read(
    text: &str,
    mut analysis: impl FnMut(&Shape, &[Token]) -> Analysed,
) -> (Vec<Analysed>, bool) {
    let unknown = || (vec![Analysed::unknown(text, "unknown")], true);
    if text.len() > ANALYSED_BYTES {
        return unknown();
    }
    let Ok(tokens) = lexer::tokens(text) else {
        return unknown();
    };
    let Ok(statements) = split::statements(&tokens) else {
        return unknown();
    };
    if statements.len() > MAX_STATEMENTS {
        return unknown();
    }
    let constant = |token: &Token| matches!(token.kind, Kind::Text | Kind::Number);
    let statements = statements.into_iter().map(|tokens| {
        let kind = kind::kind(tokens);
        let mut analysed = match kind::reading(&kind) {
            Some(Reading::Parsed(least)) => analysis(&Shape::of(&kind, least, tokens), tokens),
            _ => commands::analyse(tokens),
        };
        source(text, tokens).clone_into(&mut analysed.statement.text);
        analysed
    });
    (statements.collect(), !tokens.iter().any(constant))
}

/// The piece of the message that the tokens stand for, as it was sent.
fn source<'a>(text: &'a str, tokens: &[Token]) -> &'a str {
    let start = tokens.first().map_or(0, |token| token.start);
    let end = tokens.last().map_or(0, |token| token.end);
    text.get(start..end).unwrap_or(text)
}
