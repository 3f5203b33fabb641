//! What is known of a statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use sluice_flow::{Effect, Statement};

use super::copy::CopyOut;
use super::limits::MAX_ORIGINS;

/// Where a value may come from. `None` stands for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Table, as [`sluice_flow::TableName`].
    pub table: Option<String>,
    /// Column.
    pub column: Option<String>,
}

/// Every column that a value may have been made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(BTreeSet<Origin>);

impl Origins {
    /// No column at all: a constant, a count.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Any column of any table.
    #[must_use]
    pub fn any() -> Self {
        Self::of(None, None)
    }

    /// One origin.
    #[must_use]
    pub fn of(table: Option<&str>, column: Option<&str>) -> Self {
        let mut origins = Self::default();
        origins.add(table, column);
        origins
    }

    /// Adds an origin; beyond [`MAX_ORIGINS`] it may be any.
    pub fn add(&mut self, table: Option<&str>, column: Option<&str>) {
        if self.0.len() >= MAX_ORIGINS {
            self.0.insert(Origin {
                table: None,
                column: None,
            });
            return;
        }
        self.0.insert(Origin {
            table: table.map(str::to_owned),
            column: column.map(str::to_owned),
        });
    }

    /// Adds what another has.
    pub fn merge(&mut self, other: &Self) {
        for origin in &other.0 {
            self.add(origin.table.as_deref(), origin.column.as_deref());
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where the columns of a `*` come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StarSource {
    /// A table: its columns have their own names.
    Table(String),
    /// A query with these columns.
    Query(Arc<Vec<Item>>),
    /// Something whose columns may all have been made from these.
    Made(Origins),
}

/// One item of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// One output column.
    Column {
        /// Its name, where the text gives it one.
        name: Option<String>,
        /// Whether it is the value of a column, unchanged.
        direct: bool,
        /// What it may have been made from.
        origins: Origins,
    },
    /// `*` or `t.*`: as many columns as the sources have.
    Star(Vec<StarSource>),
}

/// What a statement answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Rows with these columns; empty: no rows.
    Columns(Vec<Item>),
    /// Text of the server, without a value of a table (SHOW, EXPLAIN).
    ServerText,
    /// Rows of which nothing is known.
    Unknown,
}

/// What a statement does to the session, beyond its effect on data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acts {
    /// Nothing that later statements depend on.
    Nothing,
    /// `PREPARE name AS ..`.
    Prepares {
        /// Name of the prepared statement.
        name: String,
        /// What it will do.
        prepared: Arc<Analysed>,
    },
    /// `EXECUTE name`, also below EXPLAIN.
    Executes {
        /// Name of the prepared statement.
        name: String,
    },
    /// `DEALLOCATE name`, all when there is none.
    Deallocates(Option<String>),
    /// `DECLARE name CURSOR FOR ..`; the rows come with FETCH.
    Declares {
        /// Name of the cursor.
        name: String,
        /// What its rows are.
        cursor: Arc<Analysed>,
    },
    /// `FETCH .. FROM name`.
    Fetches {
        /// Name of the cursor.
        name: String,
    },
    /// `COPY .. FROM STDIN`: the client sends rows next.
    CopiesIn,
    /// `COPY .. TO STDOUT`: the server sends rows next.
    CopiesOut(CopyOut),
}

/// A statement and all that its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysed {
    /// What policies and records see.
    pub statement: Statement,
    /// What it answers with.
    pub output: Arc<Output>,
    /// Every column that it touches anywhere; what its errors and notices may show.
    pub mentions: Arc<Origins>,
    /// What it does to the session.
    pub acts: Acts,
    /// Unqualified names may mean other tables after it.
    pub moves_search_path: bool,
    /// Later texts may be read differently after it (client_encoding and the like).
    pub changes_lexing: bool,
}

impl Analysed {
    /// A statement that is not understood.
    #[must_use]
    pub fn unknown(text: &str, kind: &str) -> Self {
        Self {
            statement: Statement {
                text: text.to_owned(),
                effect: Effect::Unknown,
                kind: kind.to_owned(),
                reads: Vec::new(),
                writes: Vec::new(),
                columns: Vec::new(),
                tables_known: false,
            },
            output: Arc::new(Output::Unknown),
            mentions: Arc::new(Origins::any()),
            acts: Acts::Nothing,
            moves_search_path: false,
            changes_lexing: false,
        }
    }

    /// A message without any statement.
    #[must_use]
    pub fn empty() -> Self {
        Self::plain("empty", Effect::Read)
    }

    /// A statement that is understood by its words and touches no table.
    #[must_use]
    pub(crate) fn plain(kind: &str, effect: Effect) -> Self {
        let mut plain = Self::unknown("", kind);
        plain.statement.effect = effect;
        plain.statement.tables_known = true;
        plain.output = Arc::new(Output::ServerText);
        plain.mentions = Arc::new(Origins::none());
        plain
    }

    /// Takes the tables of another over, and its effect where that is stronger.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.statement, &other.statement);
        mine.effect = mine.effect.max(theirs.effect);
        add_tables(&mut mine.reads, &theirs.reads);
        add_tables(&mut mine.writes, &theirs.writes);
        mine.tables_known &= theirs.tables_known;
        if !other.mentions.is_empty() {
            Arc::make_mut(&mut self.mentions).merge(&other.mentions);
        }
        self.moves_search_path |= other.moves_search_path;
        self.changes_lexing |= other.changes_lexing;
    }
}

fn add_tables(mine: &mut Vec<String>, theirs: &[String]) {
    for table in theirs {
        if !mine.contains(table) {
            mine.push(table.clone());
        }
    }
}
