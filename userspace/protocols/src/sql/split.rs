//! Cuts a message into statements where the server does.

use super::lexer::{Token, Unclear};

/// The statements of a message: its tokens between semicolons, empty ones left out.
///
/// A semicolon ends nothing inside the parentheses of CREATE RULE and inside the BEGIN ATOMIC
/// body of a function. Inside any other bracket it is an error of syntax.
///
/// # Errors
/// When a bracket or a body does not end, or ends without having begun: where such a message
/// would have to be cut is a guess, and what a guess swallows is not judged.
pub(crate) fn statements(tokens: &[Token]) -> Result<Vec<&[Token]>, Unclear> {
    let mut statements = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let end = end_of_first(rest)?;
        let (first, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !first.is_empty() {
            statements.push(first);
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    Ok(statements)
}

fn end_of_first(tokens: &[Token]) -> Result<usize, Unclear> {
    let holder = holder(tokens);
    let mut open = Vec::new();
    let mut blocks = 0_u32;
    for (at, token) in tokens.iter().enumerate() {
        if token.is("(") {
            open.push(")");
        } else if token.is("[") {
            open.push("]");
        } else if token.is(")") || token.is("]") {
            let closed = open.pop().ok_or(Unclear)?;
            if closed != token.text {
                return Err(Unclear);
            }
        } else if token.is(";") {
            match (holder, open.len(), blocks) {
                (_, 0, 0) => return Ok(at),
                (Holder::Rule, 1, 0) | (Holder::Routine, 0, _) => {}
                _ => return Err(Unclear),
            }
        } else if holder == Holder::Routine {
            blocks = blocks_behind(blocks, token, tokens.get(at + 1));
        }
    }
    let whole = open.is_empty() && blocks == 0;
    whole.then_some(tokens.len()).ok_or(Unclear)
}

/// How deep in a BEGIN ATOMIC body it is behind this word. CASE ends with END too.
///
/// BEGIN alone begins nothing: it may be a name (`create function begin()`).
fn blocks_behind(blocks: u32, token: &Token, next: Option<&Token>) -> u32 {
    let atomic = next.is_some_and(|next| next.is_word("atomic"));
    match blocks {
        0 => u32::from(token.is_word("begin") && atomic),
        _ if token.is_word("case") => blocks + 1,
        _ if token.is_word("end") => blocks - 1,
        _ => blocks,
    }
}

/// What may hold statements of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Rule,
    Routine,
    Nothing,
}

fn holder(tokens: &[Token]) -> Holder {
    let mut words = tokens.iter().take(4);
    let mut word = || words.next().map_or("", |token| token.text.as_str());
    if word() != "create" {
        return Holder::Nothing;
    }
    let object = match word() {
        "or" if word() == "replace" => word(),
        object => object,
    };
    match object {
        "rule" => Holder::Rule,
        "function" | "procedure" => Holder::Routine,
        _ => Holder::Nothing,
    }
}
