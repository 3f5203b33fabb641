//! Statements with expressions in them: parsed, then walked.

use std::sync::Arc;

use sluice_flow::Effect;
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer;

use super::lexer::{Kind, Token, Writer};
use super::limits::{MAX_NESTING, MAX_OPERATORS};
use super::model::{Analysed, Output};
use super::{columns, functions, output, walk};

/// A statement with its constants taken out: what it does is the same for all of them.
pub(crate) struct Shape {
    /// The statement as the parser gets it; `None` when it has more operators than are read.
    text: Option<String>,
    kind: String,
    least: Effect,
}

impl Shape {
    /// The shape of a statement of at least the given effect.
    pub(crate) fn of(kind: &str, least: Effect, tokens: &[Token]) -> Self {
        Self {
            text: (operators(tokens) <= MAX_OPERATORS).then(|| written(tokens)),
            kind: kind.to_owned(),
            least,
        }
    }

    /// What it is kept by: all that its analysis follows from. `TABLE t` and the query that it
    /// stands for have the same text, and are not of the same kind.
    pub(crate) fn key(&self) -> Option<String> {
        let text = self.text.as_deref()?;
        Some(format!("{}\0{:?}\0{text}", self.kind, self.least))
    }

    /// Parses it. The tokens are those that it was made of.
    pub(crate) fn analyse(&self, tokens: &[Token]) -> Analysed {
        let Some(statement) = self.text.as_deref().and_then(parse) else {
            return Analysed::unknown("", &self.kind);
        };
        let mut analysed = Analysed::plain(&self.kind, self.least);
        walk::walk(&statement, &mut analysed);
        cross_check(tokens, &mut analysed);
        analysed.mentions = Arc::new(output::mentions(&statement));
        let output = output::output(&statement);
        if let Output::Columns(items) = &output {
            analysed.statement.columns = columns::names(items);
        }
        analysed.output = Arc::new(output);
        analysed
    }
}

/// Reads a query, a data change or a schema change of at least the given effect.
pub(crate) fn analyse(kind: &str, least: Effect, tokens: &[Token]) -> Analysed {
    Shape::of(kind, least, tokens).analyse(tokens)
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

/// The text for the parser.
///
/// - Constants are all the same one: no effect, table or column depends on them. Those of
///   set_config do, and stay.
/// - `TABLE t` is written as `SELECT * FROM t`, which it stands for: of the former the
///   parser skips tokens.
fn written(tokens: &[Token]) -> String {
    let keep = tokens
        .iter()
        .any(|token| token.name() == Some("set_config"));
    let mut writer = Writer::default();
    let mut before: Option<&Token> = None;
    for token in tokens {
        match token.kind {
            Kind::Word if token.text == "table" && before.is_none_or(ends_before_query) => {
                writer.write_as(token, "select * from");
            }
            Kind::Text if !keep => writer.write_as(token, "''"),
            Kind::Number if !keep => writer.write_as(token, "1"),
            Kind::Word
            | Kind::Quoted
            | Kind::Text
            | Kind::Bits
            | Kind::Number
            | Kind::Parameter
            | Kind::Operator
            | Kind::Punctuation => writer.write(token),
        }
        before = Some(token);
    }
    writer.finish()
}

fn ends_before_query(token: &Token) -> bool {
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
    token.kind != Kind::Quoted && BEFORE.contains(&token.text.as_str())
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

/// How many tokens could make the tree one deeper.
fn operators(tokens: &[Token]) -> usize {
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
    let chaining = |token: &&Token| {
        matches!(token.kind, Kind::Operator)
            || token.is("::")
            || (token.kind == Kind::Word && CHAINING.contains(&token.text.as_str()))
    };
    tokens.iter().filter(chaining).count()
}

/// The one statement that the text is, to its end.
fn parse(text: &str) -> Option<ast::Statement> {
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(MAX_NESTING);
    let mut parser = parser.try_with_sql(text).ok()?;
    let statement = parser.parse_statement().ok()?;
    (parser.peek_token().token == tokenizer::Token::EOF).then_some(statement)
}
