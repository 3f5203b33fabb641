//! COPY (reference page COPY): which way, whereto, and how its rows are written.

use std::sync::Arc;

use sluice_flow::Effect;

use super::commands::{self, Cursor};
use super::lexer::{Kind, Token};
use super::model::{Acts, Analysed, Item, Origins, Output, StarSource};
use super::parsed;

/// How COPY writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    /// One line a row, fields apart by the delimiter, backslash escapes.
    Text,
    /// RFC 4180 with PostgreSQL's options.
    Csv,
    /// Length-prefixed fields.
    Binary,
}

/// What is known of the rows of `COPY .. TO STDOUT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOut {
    /// How rows are written.
    pub format: CopyFormat,
    /// Between fields.
    pub delimiter: u8,
    /// Around fields (CSV).
    pub quote: u8,
    /// Before a quote inside of a field (CSV).
    pub escape: u8,
    /// Stands for NULL.
    pub null: String,
    /// Whether the first line holds names.
    pub header: bool,
}

/// `COPY`, behind the verb.
pub(crate) fn analyse(words: &mut Cursor<'_>) -> Option<Analysed> {
    let mut analysed = Analysed::plain("copy", Effect::Read);
    let old_binary = words.take_word(&["binary"]).is_some();
    let (table, out) = source(words, &mut analysed)?;
    let to = words.take_word(&["to", "from"])? == "to";
    let elsewhere = whereto(words)?;
    let condition = words
        .rest()
        .iter()
        .position(|token| token.is_word("where"))
        .filter(|_| !to);
    let (options, condition) = words
        .rest()
        .split_at_checked(condition.unwrap_or(words.rest().len()))?;
    if let Some(expression) = condition.get(1..) {
        analysed.absorb(&parsed::condition(expression));
    }
    let options = options_of(options, old_binary)?;
    if to {
        analysed.statement.reads.extend(table);
    } else {
        analysed.statement.writes.extend(table);
        let effect = analysed.statement.effect.max(Effect::Write);
        analysed.statement.effect = effect;
    }
    if elsewhere {
        let effect = analysed.statement.effect.max(Effect::Admin);
        analysed.statement.effect = effect;
        return Some(analysed);
    }
    if let Output::Columns(items) = &*out {
        analysed.statement.columns = super::columns::names(items);
    }
    analysed.acts = if to {
        analysed.output = out;
        Acts::CopiesOut(options)
    } else {
        analysed.output = Arc::new(Output::Columns(Vec::new()));
        Acts::CopiesIn
    };
    Some(analysed)
}

/// The table, or the query, whose effect is taken over; and what its rows hold.
fn source(
    words: &mut Cursor<'_>,
    analysed: &mut Analysed,
) -> Option<(Option<String>, Arc<Output>)> {
    if let Some(query) = words.parenthesised() {
        let query = commands::inner(query, &[])?;
        analysed.absorb(&query);
        return Some((None, query.output));
    }
    let table = words.qualified_name()?;
    let items = match words.parenthesised() {
        None => {
            analysed.mentions = Arc::new(Origins::of(Some(&table), None));
            vec![Item::Star(vec![StarSource::Table(table.clone())])]
        }
        Some(names) => columns(&table, names, analysed)?,
    };
    Some((Some(table), Arc::new(Output::Columns(items))))
}

fn columns(table: &str, names: &[Token], analysed: &mut Analysed) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for name in names.split(|token| token.is(",")) {
        let [name] = name else {
            return None;
        };
        let name = name.name()?;
        Arc::make_mut(&mut analysed.mentions).add(Some(table), Some(name));
        items.push(Item::Column {
            name: Some(name.to_owned()),
            direct: true,
            origins: Origins::of(Some(table), Some(name)),
        });
    }
    Some(items)
}

/// Whether the rows go to or come from a file or program of the server.
fn whereto(words: &mut Cursor<'_>) -> Option<bool> {
    if words.take_word(&["stdin", "stdout"]).is_some() {
        return Some(false);
    }
    words.take_word(&["program"]);
    (words.next()?.kind == Kind::Text).then_some(true)
}

/// Options in parentheses, or in the words of PostgreSQL before 9.0.
fn options_of(tokens: &[Token], binary: bool) -> Option<CopyOut> {
    let mut words = Cursor::new(tokens);
    words.take_word(&["with"]);
    let listed = words.parenthesised();
    if listed.is_some() && words.peek().is_some() {
        return None;
    }
    let mut words = Cursor::new(listed.unwrap_or(words.rest()));
    let mut format = if binary {
        CopyFormat::Binary
    } else {
        CopyFormat::Text
    };
    let (mut delimiter, mut null, mut quote, mut escape, mut header) =
        (None, None, None, None, false);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            _ if word.is(",") => {}
            "format" => format = named_format(&words.next()?.text)?,
            "binary" => format = CopyFormat::Binary,
            "csv" => format = CopyFormat::Csv,
            "delimiter" => delimiter = Some(one_byte(&mut words)?),
            "null" => null = Some(text(&mut words)?),
            "quote" => quote = Some(one_byte(&mut words)?),
            "escape" => escape = Some(one_byte(&mut words)?),
            "header" => header = switch(&mut words),
            // The rows would come in another encoding than the session's.
            "encoding" => return None,
            "freeze" => {
                switch(&mut words);
            }
            "force_quote" | "force_not_null" | "force_null" => skip_list(&mut words),
            "force" => {
                words.take_word(&["not"]);
                words.take_word(&["quote", "null"])?;
                skip_list(&mut words);
            }
            "on_error" | "log_verbosity" | "reject_limit" | "default" => {
                words.next()?;
            }
            _ => return None,
        }
    }
    let csv = format == CopyFormat::Csv;
    let quote = quote.unwrap_or(b'"');
    Some(CopyOut {
        format,
        delimiter: delimiter.unwrap_or(if csv { b',' } else { b'\t' }),
        quote,
        escape: escape.unwrap_or(quote),
        null: null.unwrap_or_else(|| if csv { "" } else { "\\N" }.to_owned()),
        header,
    })
}

fn named_format(name: &str) -> Option<CopyFormat> {
    Some(match name {
        "text" => CopyFormat::Text,
        "csv" => CopyFormat::Csv,
        "binary" => CopyFormat::Binary,
        _ => return None,
    })
}

fn text(words: &mut Cursor<'_>) -> Option<String> {
    words.take_word(&["as"]);
    let token = words.next()?;
    (token.kind == Kind::Text).then(|| token.text.clone())
}

fn one_byte(words: &mut Cursor<'_>) -> Option<u8> {
    match text(words)?.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// A boolean option: on when nothing is said.
fn switch(words: &mut Cursor<'_>) -> bool {
    match words.peek() {
        Some(token) if matches!(token.text.as_str(), "false" | "off" | "0") => {
            words.next();
            false
        }
        Some(token) if matches!(token.text.as_str(), "true" | "on" | "1" | "match") => {
            words.next();
            true
        }
        _ => true,
    }
}

fn skip_list(words: &mut Cursor<'_>) {
    if words.parenthesised().is_some() || words.take("*") {
        return;
    }
    while words.next().is_some() && words.take(",") {}
}
