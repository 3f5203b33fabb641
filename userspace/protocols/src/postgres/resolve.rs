//! What a message means in its session: names of prepared statements and cursors resolved,
//! and the certainty that the session has left.

use std::sync::Arc;

use crate::sql::{Acts, Analysed, Effect, Origins, Output};

use super::names::{Change, Meaning, Named, Names, Pipeline, Statements};

/// What is certain of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Certainty {
    /// Texts are read by the server as they are read here.
    pub(crate) lexing: bool,
    /// Unqualified names are found where they were at the start.
    pub(crate) search_path: bool,
}

/// A message, resolved.
pub(crate) enum Resolved {
    /// These statements, with the changes of names that each asks for.
    Known(Statements),
    /// It depends on an answer of the server that has not come.
    Pending,
}

/// Resolves the statements of a message. A message that needs nothing is not copied.
pub(crate) fn resolve(
    statements: &Statements,
    names: &Names,
    pipeline: Pipeline,
    certain: &mut Certainty,
) -> Resolved {
    let plain = certain.lexing
        && certain.search_path
        && statements.iter().all(|statement| {
            matches!(
                statement.acts,
                Acts::Nothing | Acts::CopiesIn | Acts::CopiesOut(_)
            ) && !statement.moves_search_path
                && !statement.changes_lexing
        });
    if plain {
        return Resolved::Known(Arc::clone(statements));
    }
    let mut resolved: Vec<Analysed> = Vec::with_capacity(statements.len());
    for statement in statements.iter() {
        let mut statement = statement.clone();
        if !named(&mut statement, &resolved, names, pipeline) {
            return Resolved::Pending;
        }
        doubt(&mut statement, *certain);
        certain.lexing &= !statement.changes_lexing;
        certain.search_path &= !statement.moves_search_path;
        resolved.push(statement);
    }
    Resolved::Known(resolved.into())
}

/// Takes over what the name in a statement stands for; `false` while that is not known.
fn named(statement: &mut Analysed, before: &[Analysed], names: &Names, pipeline: Pipeline) -> bool {
    let meaning = match &statement.acts {
        Acts::Executes { name } => in_message(before, name, prepares)
            .map_or_else(|| names.statement(pipeline, name).map(first), Meaning::Is),
        Acts::Fetches { name } => in_message(before, name, declares)
            .map_or_else(|| names.portal(pipeline, name).map(first), Meaning::Is),
        Acts::Nothing
        | Acts::Prepares { .. }
        | Acts::Deallocates(_)
        | Acts::Declares { .. }
        | Acts::CopiesIn
        | Acts::CopiesOut(_) => return true,
    };
    match meaning {
        Meaning::Is(Some(meant)) => take_over(statement, &meant),
        Meaning::Is(None) | Meaning::Unknown => unknown(statement),
        Meaning::Pending => return false,
    }
    true
}

impl<'a> Meaning<&'a Named> {
    fn map<T>(self, what: impl FnOnce(&'a Named) -> T) -> Meaning<T> {
        match self {
            Self::Is(named) => Meaning::Is(what(named)),
            Self::Unknown => Meaning::Unknown,
            Self::Pending => Meaning::Pending,
        }
    }
}

fn first(named: &Named) -> Option<Arc<Analysed>> {
    named.statements.first().cloned().map(Arc::new)
}

/// What an earlier statement of the same message gave this name; it ran if this one runs.
fn in_message(
    before: &[Analysed],
    name: &str,
    given: impl Fn(&Acts, &str) -> Option<Arc<Analysed>>,
) -> Option<Option<Arc<Analysed>>> {
    before
        .iter()
        .rev()
        .find_map(|statement| given(&statement.acts, name))
        .map(Some)
}

fn prepares(acts: &Acts, wanted: &str) -> Option<Arc<Analysed>> {
    match acts {
        Acts::Prepares { name, prepared } if name == wanted => Some(Arc::clone(prepared)),
        _ => None,
    }
}

fn declares(acts: &Acts, wanted: &str) -> Option<Arc<Analysed>> {
    match acts {
        Acts::Declares { name, cursor } if name == wanted => Some(Arc::clone(cursor)),
        _ => None,
    }
}

fn take_over(statement: &mut Analysed, meant: &Analysed) {
    let explained = statement.statement.kind == "explain";
    if matches!(statement.acts, Acts::Fetches { .. }) {
        // Rows of a cursor whose statement was judged when it was declared.
        statement.statement.effect = statement.statement.effect.max(meant.statement.effect);
        statement.mentions = Arc::new(Origins::none());
    }
    statement.absorb(meant);
    statement
        .statement
        .columns
        .clone_from(&meant.statement.columns);
    if !explained {
        statement.output = Arc::clone(&meant.output);
    }
}

fn unknown(statement: &mut Analysed) {
    statement.statement.effect = Effect::Unknown;
    statement.statement.tables_known = false;
    statement.output = Arc::new(Output::Unknown);
    statement.mentions = Arc::new(Origins::any());
}

/// Takes certainty away where the session has lost it.
pub(crate) fn doubt(statement: &mut Analysed, certain: Certainty) {
    if !certain.search_path && !all_qualified(statement) {
        statement.statement.tables_known = false;
    }
    if !certain.lexing {
        statement.statement.effect = Effect::Unknown;
        statement.statement.tables_known = false;
        statement.output = Arc::new(Output::Unknown);
        statement.mentions = Arc::new(Origins::any());
    }
}

fn all_qualified(statement: &Analysed) -> bool {
    let tables = statement.statement.reads.iter();
    tables
        .chain(&statement.statement.writes)
        .all(|table| table.contains('.'))
}

/// The changes of names that a statement asks for.
pub(crate) fn change(statement: &Analysed) -> Option<Change> {
    let one = |statement: &Arc<Analysed>| Named {
        statements: Arc::from([(**statement).clone()]),
        grant: None,
    };
    match &statement.acts {
        Acts::Prepares { name, prepared } => Some(Change::Prepare(name.clone(), one(prepared))),
        Acts::Deallocates(name) => Some(Change::Deallocate(name.clone())),
        Acts::Declares { name, cursor } => Some(Change::Open(name.clone(), one(cursor))),
        Acts::Nothing
        | Acts::Executes { .. }
        | Acts::Fetches { .. }
        | Acts::CopiesIn
        | Acts::CopiesOut(_) => None,
    }
}
