//! Cuts a message into statements where the server does.

use super::lexer::Token;

/// The statements of a message: its tokens between semicolons, empty ones left out.
///
/// A semicolon inside parentheses (CREATE RULE) or inside the BEGIN ATOMIC body of a
/// function ends nothing.
pub(crate) fn statements(tokens: &[Token]) -> Vec<&[Token]> {
    let mut statements = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let end = end_of_first(rest);
        let (first, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !first.is_empty() {
            statements.push(first);
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    statements
}

fn end_of_first(tokens: &[Token]) -> usize {
    let mut parentheses = 0_i64;
    let mut blocks = 0_u32;
    let routine = defines_routine(tokens);
    for (at, token) in tokens.iter().enumerate() {
        if token.is("(") {
            parentheses += 1;
        } else if token.is(")") {
            parentheses -= 1;
        } else if routine && (token.is_word("begin") || (blocks > 0 && token.is_word("case"))) {
            blocks += 1;
        } else if blocks > 0 && token.is_word("end") {
            blocks -= 1;
        } else if token.is(";") && parentheses <= 0 && blocks == 0 {
            return at;
        }
    }
    tokens.len()
}

fn defines_routine(tokens: &[Token]) -> bool {
    let words: Vec<&str> = tokens
        .iter()
        .take(4)
        .map(|token| token.text.as_str())
        .collect();
    matches!(
        words.as_slice(),
        ["create", "function" | "procedure", ..]
            | ["create", "or", "replace", "function" | "procedure"]
    )
}
