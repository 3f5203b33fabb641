//! Statements with expressions in them: parsed, then walked.

use sluice_flow::Effect;
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::lexer::{Kind, Token, render};
use super::limits::{MAX_NESTING, MAX_OPERATORS};
use super::model::{Analysed, Output};
use super::{columns, functions, output, walk};

/// Reads a query, a data change or a schema change of at least the given effect.
pub(crate) fn analyse(kind: &str, least: Effect, tokens: &[Token]) -> Analysed {
    let Some(statement) = parse(tokens) else {
        return Analysed::unknown("", kind);
    };
    let mut analysed = Analysed::plain(kind, least);
    walk::walk(&statement, &mut analysed);
    cross_check(tokens, &mut analysed);
    analysed.mentions = output::mentions(&statement);
    analysed.output = output::output(&statement);
    if let Output::Columns(items) = &analysed.output {
        analysed.statement.columns = columns::names(items);
    }
    analysed
}

/// Reads a list of expressions that stands alone, such as the arguments of EXECUTE.
pub(crate) fn expressions(tokens: &[Token]) -> Analysed {
    prefixed("select", tokens)
}

/// Reads a condition that stands alone, such as the WHERE of COPY FROM.
pub(crate) fn condition(tokens: &[Token]) -> Analysed {
    prefixed("select true where", tokens)
}

fn prefixed(prefix: &str, tokens: &[Token]) -> Analysed {
    if tokens.is_empty() {
        return Analysed::plain("select", Effect::Read);
    }
    let mut all: Vec<Token> = prefix
        .split(' ')
        .map(|word| Token {
            kind: Kind::Word,
            text: word.to_owned(),
            start: usize::MAX,
            end: usize::MAX - 1,
        })
        .collect();
    all.extend_from_slice(tokens);
    analyse("select", Effect::Read, &all)
}

/// `TABLE t` as `SELECT * FROM t`, which it stands for: of the former the parser skips tokens.
fn without_table_commands(tokens: &[Token]) -> Vec<Token> {
    const BEFORE: &[&str] = &[
        "union",
        "all",
        "distinct",
        "intersect",
        "except",
        "as",
        "for",
        "(",
        ")",
    ];
    let mut plain: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let starts_query = plain
            .last()
            .is_none_or(|last| last.kind != Kind::Quoted && BEFORE.contains(&last.text.as_str()));
        if token.is_word("table") && starts_query {
            plain.extend(["select", "*", "from"].map(|word| Token {
                text: word.to_owned(),
                end: usize::MAX,
                ..token.clone()
            }));
        } else {
            plain.push(token.clone());
        }
    }
    plain
}

/// Does not take the parser's word for it: a call of a function that is known to be harmful,
/// or the verb of a change, is in the tokens or it is not.
fn cross_check(tokens: &[Token], analysed: &mut Analysed) {
    let mut before: Option<&Token> = None;
    for pair in tokens.windows(2) {
        let [token, next] = pair else {
            continue;
        };
        let mut least = Effect::Read;
        if let Some(name) = token.name()
            && next.is("(")
            && functions::may_be_call(name)
        {
            least = functions::effect(None, name);
        }
        let qualified = before.is_some_and(|before| before.is("."));
        if !qualified
            && ["insert", "update", "delete", "merge"]
                .iter()
                .any(|verb| token.is_word(verb))
        {
            least = least.max(Effect::Write);
        }
        analysed.statement.effect = analysed.statement.effect.max(least);
        before = Some(token);
    }
}

/// The one statement that the tokens are, within the limits.
fn parse(tokens: &[Token]) -> Option<ast::Statement> {
    const CHAINING: &[&str] = &[
        "and",
        "or",
        "not",
        "is",
        "in",
        "like",
        "ilike",
        "similar",
        "between",
        "collate",
        "at",
        "isnull",
        "notnull",
        "operator",
        "union",
        "intersect",
        "except",
        "overlaps",
    ];
    let operators = tokens.iter().filter(|token| {
        matches!(token.kind, Kind::Operator)
            || token.is("::")
            || (token.kind == Kind::Word && CHAINING.contains(&token.text.as_str()))
    });
    if operators.count() > MAX_OPERATORS {
        return None;
    }
    let text = render(&without_table_commands(tokens));
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(MAX_NESTING);
    let statements = parser.try_with_sql(&text).ok()?.parse_statements().ok()?;
    let mut statements = statements.into_iter();
    let first = statements.next()?;
    statements.next().is_none().then_some(first)
}
