//! Statements that are read from their words; the others go to the parser.

use std::sync::Arc;

use sluice_flow::Effect;

use super::kind::{Reading, kind, reading};
use super::lexer::Token;
use super::model::{Acts, Analysed, Origins, Output};
use super::table_names::part;
use super::{copy, parsed, settings};

/// What one statement does. Its text is filled in by the caller.
pub(crate) fn analyse(tokens: &[Token]) -> Analysed {
    let kind = kind(tokens);
    let unknown = || Analysed::unknown("", &kind);
    match reading(&kind) {
        None | Some(Reading::Opaque) => unknown(),
        Some(Reading::Words(effect)) => Analysed::plain(&kind, effect),
        Some(Reading::Tables(effect)) => named_tables(&kind, effect, tokens),
        Some(Reading::Parsed(effect)) => parsed::analyse(&kind, effect, tokens),
        Some(Reading::Own) => {
            let mut cursor = Cursor::behind_verb(tokens);
            own(&kind, &mut cursor).unwrap_or_else(unknown)
        }
    }
}

fn own(kind: &str, words: &mut Cursor<'_>) -> Option<Analysed> {
    match kind {
        "explain" => explain(words),
        "declare" => declare(words),
        "prepare" => prepare(words),
        "execute" => execute(words),
        "deallocate" => deallocate(words),
        "fetch" => fetch(words),
        "copy" => copy::analyse(words),
        "discard" => {
            let mut discard = Analysed::plain("discard", Effect::Read);
            if words.peek_word(&["all"]) {
                discard.acts = Acts::Deallocates(None);
            }
            Some(discard)
        }
        "set" => Some(settings::set(words)),
        "reset" => Some(settings::reset(words)),
        _ => None,
    }
}

/// Reads tokens from the front.
pub(crate) struct Cursor<'a> {
    rest: &'a [Token],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [Token]) -> Self {
        Self { rest }
    }

    fn behind_verb(tokens: &'a [Token]) -> Self {
        Self::new(tokens.get(1..).unwrap_or_default())
    }

    pub(crate) fn rest(&self) -> &'a [Token] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.rest.first()
    }

    pub(crate) fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Whether one of these key words is next.
    pub(crate) fn peek_word(&self, words: &[&str]) -> bool {
        self.peek()
            .is_some_and(|token| words.iter().any(|word| token.is_word(word)))
    }

    /// Takes one of these key words, if it is next.
    pub(crate) fn take_word(&mut self, words: &[&str]) -> Option<&'a str> {
        if self.peek_word(words) {
            self.next().map(|token| token.text.as_str())
        } else {
            None
        }
    }

    /// Takes this punctuation, if it is next.
    pub(crate) fn take(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(symbol));
        if found {
            self.next();
        }
        found
    }

    pub(crate) fn name(&mut self) -> Option<String> {
        self.next()?.name().map(str::to_owned)
    }

    /// `a.b.c`, as table names are reported.
    pub(crate) fn qualified_name(&mut self) -> Option<String> {
        let mut parts = vec![part(&self.name()?)];
        while self.take(".") {
            parts.push(part(&self.name()?));
        }
        match parts.as_slice() {
            [name] => Some(name.clone()),
            [schema, name] | [_, schema, name] => Some(format!("{schema}.{name}")),
            _ => None,
        }
    }

    /// What stands in the parentheses that are next.
    pub(crate) fn parenthesised(&mut self) -> Option<&'a [Token]> {
        if !self.take("(") {
            return None;
        }
        let mut depth = 1_u32;
        for (at, token) in self.rest.iter().enumerate() {
            if token.is("(") {
                depth += 1;
            } else if token.is(")") {
                depth -= 1;
            }
            if depth == 0 {
                let (inside, behind) = self.rest.split_at_checked(at)?;
                self.rest = behind.get(1..).unwrap_or_default();
                return Some(inside);
            }
        }
        None
    }
}

/// TRUNCATE, LOCK, VACUUM, DROP TABLE and the like: table names behind the words.
fn named_tables(kind: &str, effect: Effect, tokens: &[Token]) -> Analysed {
    let mut analysed = Analysed::plain(kind, effect);
    let words: Vec<&str> = kind.split(' ').collect();
    let mut cursor = Cursor::new(tokens.get(words.len()..).unwrap_or_default());
    analysed.statement.tables_known = names(kind, &mut cursor, &mut analysed.statement.writes);
    analysed
}

/// Whether all names could be read. Without one (`VACUUM`) it is every table.
fn names(kind: &str, words: &mut Cursor<'_>, tables: &mut Vec<String>) -> bool {
    const NOISE: &[&str] = &[
        "table",
        "only",
        "if",
        "exists",
        "concurrently",
        "full",
        "freeze",
        "verbose",
        "analyze",
        "index",
        "schema",
        "database",
        "system",
        "on",
    ];
    if matches!(kind, "vacuum" | "analyze" | "reindex" | "cluster") {
        words.parenthesised();
    }
    let mut of_a_table = !matches!(kind, "drop index" | "drop sequence");
    while let Some(word) = words.take_word(NOISE) {
        if kind == "reindex" && matches!(word, "index" | "schema" | "database" | "system") {
            of_a_table = false;
        }
    }
    if words.peek().is_none() {
        return false;
    }
    loop {
        let Some(name) = words.qualified_name() else {
            return false;
        };
        if of_a_table {
            tables.push(name);
        }
        words.take("*");
        words.parenthesised();
        if !words.take(",") {
            break;
        }
        words.take_word(&["only"]);
    }
    // An index or a schema stands for tables that its name does not tell.
    of_a_table || kind == "drop sequence"
}

fn explain(words: &mut Cursor<'_>) -> Option<Analysed> {
    let mut runs = false;
    if words.peek().is_some_and(|token| token.is("(")) && !starts_query(words.rest()) {
        let options = words.parenthesised()?;
        for (at, token) in options.iter().enumerate() {
            let off = options
                .get(at + 1)
                .is_some_and(|next| matches!(next.text.as_str(), "false" | "off" | "0"));
            // An option is a name, and so may be quoted.
            runs |= matches!(token.name(), Some("analyze" | "analyse")) && !off;
        }
    } else {
        while let Some(word) = words.take_word(&["analyze", "analyse", "verbose"]) {
            runs |= word != "verbose";
        }
    }
    let explained = inner(
        words.rest(),
        &[
            "declare",
            "execute",
            "create table",
            "refresh materialized view",
        ],
    )?;
    let mut analysed = Analysed::plain("explain", Effect::Read);
    analysed.absorb(&explained);
    if !runs && explained.statement.effect != Effect::Unknown {
        analysed.statement.effect = Effect::Read;
    }
    if let Acts::Executes { name } = explained.acts {
        analysed.acts = Acts::Executes { name };
        analysed.statement.effect = explained.statement.effect;
    }
    Some(analysed)
}

/// Whether what follows the parenthesis is a query and no list of options.
fn starts_query(tokens: &[Token]) -> bool {
    tokens
        .iter()
        .find(|token| !token.is("("))
        .is_some_and(|token| {
            ["select", "with", "values", "table"]
                .iter()
                .any(|word| token.is_word(word))
        })
}

/// A statement inside of another: a query, a data change, or one of these kinds. The grammar
/// nests no others, and so this does not recurse without end.
pub(crate) fn inner(tokens: &[Token], others: &[&str]) -> Option<Analysed> {
    const DATA: &[&str] = &[
        "select", "values", "table", "insert", "update", "delete", "merge",
    ];
    let kind = kind(tokens);
    let fits = DATA.iter().chain(others).any(|known| *known == kind);
    let materialized = kind == "create materialized view" && !others.is_empty();
    (fits || materialized).then(|| analyse(tokens))
}

fn declare(words: &mut Cursor<'_>) -> Option<Analysed> {
    let name = words.name()?;
    while words
        .take_word(&["binary", "asensitive", "insensitive", "no", "scroll"])
        .is_some()
    {}
    words.take_word(&["cursor"])?;
    if words.take_word(&["with", "without"]).is_some() {
        words.take_word(&["hold"])?;
    }
    words.take_word(&["for"])?;
    let cursor = inner(words.rest(), &[])?;
    let mut analysed = Analysed::plain("declare", Effect::Read);
    analysed.absorb(&cursor);
    analysed
        .statement
        .columns
        .clone_from(&cursor.statement.columns);
    analysed.acts = Acts::Declares {
        name,
        cursor: Arc::new(cursor),
    };
    Some(analysed)
}

fn prepare(words: &mut Cursor<'_>) -> Option<Analysed> {
    let name = words.name()?;
    if words.peek().is_some_and(|token| token.is("(")) {
        words.parenthesised()?;
    }
    words.take_word(&["as"])?;
    let prepared = inner(words.rest(), &[])?;
    let mut analysed = Analysed::plain("prepare", Effect::Read);
    analysed.absorb(&prepared);
    analysed.acts = Acts::Prepares {
        name,
        prepared: Arc::new(prepared),
    };
    Some(analysed)
}

/// `EXECUTE name (arguments)`: as strong as its arguments here; the session knows the rest.
fn execute(words: &mut Cursor<'_>) -> Option<Analysed> {
    let name = words.name()?;
    let mut analysed = Analysed::plain("execute", Effect::Read);
    if let Some(arguments) = words.parenthesised() {
        analysed.absorb(&parsed::expressions(arguments));
    }
    if words.peek().is_some() {
        return None;
    }
    analysed.output = Arc::new(Output::Unknown);
    analysed.acts = Acts::Executes { name };
    Some(analysed)
}

fn deallocate(words: &mut Cursor<'_>) -> Option<Analysed> {
    words.take_word(&["prepare"]);
    let all = words.peek_word(&["all"]);
    let name = words.name()?;
    if words.peek().is_some() {
        return None;
    }
    let mut analysed = Analysed::plain("deallocate", Effect::Read);
    analysed.acts = Acts::Deallocates((!all).then_some(name));
    Some(analysed)
}

/// `FETCH [direction] [FROM | IN] name`: the name comes last.
fn fetch(words: &mut Cursor<'_>) -> Option<Analysed> {
    let name = words.rest().last()?.name()?.to_owned();
    let mut analysed = Analysed::plain("fetch", Effect::Read);
    analysed.output = Arc::new(Output::Unknown);
    analysed.mentions = Arc::new(Origins::any());
    analysed.acts = Acts::Fetches { name };
    Some(analysed)
}
