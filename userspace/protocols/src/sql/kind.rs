//! The kind of a statement, by its leading words, and what each kind does.

use sluice_flow::Effect;

use super::lexer::Token;

/// How a kind of statement is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its words tell; it holds no expression.
    Words(Effect),
    /// The same, and the table names that follow them are written.
    Tables(Effect),
    /// It must be parsed; it has at least this effect.
    Parsed(Effect),
    /// It has a reader of its own.
    Own,
    /// It runs what no text tells.
    Opaque,
}

/// The kind in lower case (`select`, `create table`, ...), `unknown` for no SQL command.
pub(crate) fn kind(tokens: &[Token]) -> String {
    let Some(first) = tokens.first() else {
        return "unknown".to_owned();
    };
    if first.is("(") {
        return "select".to_owned();
    }
    let second = tokens.get(1).map_or("", |token| token.text.as_str());
    match first.text.as_str() {
        "create" | "alter" | "drop" => with_object(&first.text, tokens),
        "with" => main_verb(tokens),
        "start" | "begin" => "begin".to_owned(),
        "end" | "commit" if second == "prepared" => "commit prepared".to_owned(),
        "end" | "commit" => "commit".to_owned(),
        "rollback" if second == "prepared" => "rollback prepared".to_owned(),
        "abort" | "rollback" => "rollback".to_owned(),
        "prepare" if second == "transaction" => "prepare transaction".to_owned(),
        "refresh" => "refresh materialized view".to_owned(),
        "reassign" => "reassign owned".to_owned(),
        "security" => "security label".to_owned(),
        "import" => "import foreign schema".to_owned(),
        "analyse" => "analyze".to_owned(),
        word if reading(word).is_some() => word.to_owned(),
        _ => "unknown".to_owned(),
    }
}

const MODIFIERS: &[&str] = &[
    "or",
    "replace",
    "temp",
    "temporary",
    "global",
    "local",
    "unlogged",
    "unique",
    "recursive",
    "constraint",
    "trusted",
    "procedural",
];

const TWO_WORDS: &[(&str, &str)] = &[
    ("materialized", "view"),
    ("foreign", "table"),
    ("foreign", "data"),
    ("event", "trigger"),
    ("text", "search"),
    ("user", "mapping"),
    ("access", "method"),
    ("operator", "class"),
    ("operator", "family"),
    ("default", "privileges"),
    ("default", "conversion"),
    ("large", "object"),
];

fn with_object(verb: &str, tokens: &[Token]) -> String {
    let mut words = tokens
        .iter()
        .skip(1)
        .map(|token| token.text.as_str())
        .skip_while(|word| MODIFIERS.contains(word));
    let object = words.next().unwrap_or_default();
    let next = words.next().unwrap_or_default();
    if TWO_WORDS.contains(&(object, next)) {
        format!("{verb} {object} {next}")
    } else {
        format!("{verb} {object}")
    }
}

/// What a statement that starts with WITH is: its first verb outside of parentheses that is
/// not the name of a common table expression (`with values as (..) delete ..`).
fn main_verb(tokens: &[Token]) -> String {
    let mut depth = 0_i64;
    let mut named = false;
    for token in tokens {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
        } else if depth == 0 && !named && VERBS.iter().any(|verb| token.is_word(verb)) {
            return token.text.clone();
        }
        named = token.is_word("with") || token.is_word("recursive") || token.is(",");
    }
    "select".to_owned()
}

const VERBS: &[&str] = &[
    "select", "insert", "update", "delete", "merge", "values", "table",
];

/// How a kind is understood; `None` for what is no command of PostgreSQL.
pub(crate) fn reading(kind: &str) -> Option<Reading> {
    use Effect::{Admin, Ddl, Read, Write};
    use Reading::{Opaque, Own, Parsed, Tables, Words};
    Some(match kind {
        "select" | "values" | "table" => Parsed(Read),
        "insert" | "update" | "delete" | "merge" => Parsed(Write),
        "create table"
        | "create view"
        | "create materialized view"
        | "create index"
        | "create schema"
        | "create domain"
        | "create statistics"
        | "alter table"
        | "alter view"
        | "alter domain" => Parsed(Ddl),
        "begin" | "commit" | "rollback" | "savepoint" | "release" | "show" | "listen"
        | "unlisten" | "close" | "move" => Words(Read),
        "explain" | "declare" | "prepare" | "execute" | "deallocate" | "discard" | "fetch"
        | "copy" | "set" | "reset" => Own,
        "do" | "call" => Opaque,
        "notify" | "commit prepared" | "rollback prepared" => Words(Write),
        "truncate" | "lock" | "refresh materialized view" => Tables(Write),
        "vacuum" | "analyze" | "reindex" | "cluster" => Tables(Ddl),
        "drop table"
        | "drop view"
        | "drop materialized view"
        | "drop index"
        | "drop sequence"
        | "drop foreign table" => Tables(Ddl),
        "drop schema"
        | "drop type"
        | "drop domain"
        | "drop collation"
        | "drop statistics"
        | "create sequence"
        | "create type"
        | "create collation"
        | "alter sequence"
        | "alter type"
        | "alter collation"
        | "alter index"
        | "alter schema"
        | "alter materialized view"
        | "alter statistics"
        | "comment" => Words(Ddl),
        "checkpoint"
        | "load"
        | "grant"
        | "revoke"
        | "reassign owned"
        | "security label"
        | "import foreign schema"
        | "prepare transaction" => Words(Admin),
        _ if ["create ", "alter ", "drop "]
            .iter()
            .any(|verb| kind.starts_with(verb)) =>
        {
            Words(Admin)
        }
        _ => return None,
    })
}
