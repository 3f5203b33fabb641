//! The `postgres` block against one statement.

use sluice_flow::{Effect, SqlMessage, Statement};

use crate::glob::{Glob, GlobError, Parts};
use crate::truth::{AllOf, Side, Truth};

/// A glob for a dotted name that statements may write without its first parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DottedGlob {
    whole: Glob,
    /// The last part, where there are several.
    last: Option<Glob>,
}

impl DottedGlob {
    pub(crate) fn new(text: &str) -> Result<Self, GlobError> {
        let last = match text.rsplit_once('.') {
            Some((_, last)) if !last.is_empty() => Some(Glob::new(last, Parts::Dotted)?),
            _ => None,
        };
        Ok(Self {
            whole: Glob::new(text, Parts::Dotted)?,
            last,
        })
    }

    /// A name without a schema may be that of any schema: unknown where the glob names one.
    /// A glob without a schema closes the name in each schema, and opens only the bare name.
    fn truth(&self, name: &str, side: Side) -> Truth {
        if self.whole.matches(name) {
            return Truth::True;
        }
        let bare = !name.contains('.');
        match (&self.last, side) {
            (Some(last), _) if bare => {
                if last.matches(name) {
                    Truth::Unknown
                } else {
                    Truth::False
                }
            }
            (_, Side::Opens) => Truth::False,
            (_, Side::Closes) => tails(name).any(|tail| self.whole.matches(tail)).into(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.whole.text()
    }

    /// Whether it matches the one name that another glob stands for.
    pub(crate) fn matches_exactly(&self, name: &Self) -> bool {
        name.whole
            .exact()
            .is_some_and(|name| self.whole.matches(name))
    }
}

/// `a.b.c`: `b.c`, `c`.
fn tails(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| {
        rest.split_once('.').map(|(_, tail)| tail)
    })
    .skip(1)
}

fn any_glob(globs: &[DottedGlob], name: &str, side: Side) -> Truth {
    Truth::any(globs.iter().map(|glob| glob.truth(name, side)))
}

/// The `postgres` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Postgres {
    pub(crate) effect: Vec<Effect>,
    pub(crate) statement: Vec<Glob>,
    pub(crate) table: Vec<DottedGlob>,
    pub(crate) column: Vec<DottedGlob>,
    pub(crate) database: Vec<Glob>,
    pub(crate) user: Vec<Glob>,
}

impl Postgres {
    pub(crate) fn keys(
        &self,
        message: &SqlMessage,
        statement: Option<&Statement>,
        side: Side,
        all: &mut AllOf<'_>,
    ) {
        let of = |look: &dyn Fn(&Statement) -> Truth| statement.map_or(Truth::Unknown, look);
        if !self.database.is_empty() {
            all.key("postgres.database", || {
                named(&self.database, &message.database)
            });
        }
        if !self.user.is_empty() {
            all.key("postgres.user", || named(&self.user, &message.user));
        }
        if !self.effect.is_empty() {
            all.key("postgres.effect", || match statement {
                Some(statement) => self.effect_truth(statement, side),
                None => unknown_if(!self.effect.contains(&Effect::Unknown)),
            });
        }
        if !self.statement.is_empty() {
            all.key("postgres.statement", || of(&|s| self.kind_truth(s)));
        }
        if !self.table.is_empty() {
            all.key("postgres.table", || of(&|s| self.table_truth(s, side)));
        }
        if !self.column.is_empty() {
            all.key("postgres.column", || of(&|s| self.column_truth(s, side)));
        }
    }

    /// The strongest effect decides. To close, a statement that writes and also reads is a
    /// read as well, of the tables that it reads.
    fn effect_truth(&self, statement: &Statement, side: Side) -> Truth {
        if self.effect.contains(&statement.effect) {
            return Truth::True;
        }
        if statement.effect == Effect::Unknown {
            return Truth::Unknown;
        }
        let reads_too = side == Side::Closes && self.effect.contains(&Effect::Read);
        if !reads_too {
            return Truth::False;
        }
        if self.table.is_empty() {
            return (!statement.reads.is_empty()).into();
        }
        Truth::any(
            statement
                .reads
                .iter()
                .map(|table| any_glob(&self.table, table, side)),
        )
    }

    fn kind_truth(&self, statement: &Statement) -> Truth {
        if self
            .statement
            .iter()
            .any(|glob| glob.matches(&statement.kind))
        {
            Truth::True
        } else if statement.kind == "unknown" {
            Truth::Unknown
        } else {
            Truth::False
        }
    }

    /// To open, every table that is touched must match, and all of them must be known; a
    /// statement that touches none is opened only where it does no more than look, so that
    /// `select 1` and `begin` pass and `drop schema` does not. To close, one is enough.
    fn table_truth(&self, statement: &Statement, side: Side) -> Truth {
        let touched = || statement.reads.iter().chain(&statement.writes);
        let truths = touched().map(|table| any_glob(&self.table, table, side));
        match side {
            Side::Closes => Truth::any(truths).or(unknown_unless(statement.tables_known)),
            Side::Opens if touched().next().is_none() => {
                let looks = statement.effect == Effect::Read;
                Truth::from(looks).and(unknown_if(!statement.tables_known))
            }
            Side::Opens => Truth::all(truths).and(unknown_if(!statement.tables_known)),
        }
    }

    /// Columns are those that the text names in the result; `*`, and a text that names none
    /// while it looks at tables, may be any.
    fn column_truth(&self, statement: &Statement, side: Side) -> Truth {
        let wild = |column: &str| column.ends_with('*');
        let tell_nothing = statement.columns.is_empty() && !statement.reads.is_empty();
        let untold = !statement.tables_known
            || tell_nothing
            || statement.columns.iter().any(|column| wild(column));
        let named = statement.columns.iter().filter(|column| !wild(column));
        let mut truths = named
            .map(|column| any_glob(&self.column, column, side))
            .peekable();
        match side {
            Side::Closes => Truth::any(truths).or(unknown_unless(!untold)),
            Side::Opens if truths.peek().is_none() && !untold => Truth::False,
            Side::Opens => Truth::all(truths).and(unknown_if(untold)),
        }
    }
}

fn named(globs: &[Glob], name: &str) -> Truth {
    match name {
        "" => Truth::Unknown,
        name => globs.iter().any(|glob| glob.matches(name)).into(),
    }
}

/// At least unknown, where not everything is known.
fn unknown_unless(known: bool) -> Truth {
    if known { Truth::False } else { Truth::Unknown }
}

/// At most unknown, where not everything is known.
fn unknown_if(unknown: bool) -> Truth {
    if unknown { Truth::Unknown } else { Truth::True }
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
