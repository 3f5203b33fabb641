//! Where the secrets are in a command line: by what an option, a variable, a header or a URL is
//! for, not by how random the value looks. `--password=x` is a password.
//!
//! Values that only refer to a secret (`$TOKEN`, `env:NAME`, a file) stay readable. A script
//! (`sh -c '...'`) is cut into words as a shell does, and read like a command line.

use std::ops::Range;

use crate::command_options::{OPTIONS, Part, known_program};

/// Scripts in scripts that are looked into; what is deeper is looked at as one word.
const MAX_SCRIPT_DEPTH: usize = 4;
/// A user of an HTTP URL without a password that is at least so long is a token.
const TOKEN_AS_USER: usize = 20;

/// Ends of names that mean a secret, wherever the word begins: `PGPASSWORD`, `--db-password`.
const SECRET_ENDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "credential",
    "credentials",
];
/// The same, where the word begins with them: `--pass`, `DB_PASS`, but not `compass`.
const SECRET_WORDS: &[&str] = &[
    "pass",
    "pwd",
    "api-key",
    "access-key",
    "secret-key",
    "private-key",
    "encryption-key",
    "signing-key",
    "master-key",
    "auth-key",
    "account-key",
    "rediscli-auth",
    "bearer",
    "storepass",
    "keypass",
];
/// Names that end like a secret's and are none.
const HARMLESS: &[&str] = &["pwd", "oldpwd", "no-password", "no-pass", "no-token"];
/// Values that no secret has.
const PLAIN_VALUES: &[&str] = &["true", "false", "yes", "no"];

/// A word of a command line: which argument it is in, and where.
#[derive(Clone, Copy)]
struct Word<'a> {
    argument: usize,
    start: usize,
    text: &'a str,
}

/// The bytes of each argument that are secret, in order and apart.
pub(crate) fn secrets(argv: &[String]) -> Vec<Vec<Range<usize>>> {
    let mut found = Found(vec![Vec::new(); argv.len()]);
    let words = argv.iter().enumerate().map(|(argument, text)| Word {
        argument,
        start: 0,
        text,
    });
    command(words, 0, &mut found);
    found.0.into_iter().map(apart).collect()
}

struct Found(Vec<Vec<Range<usize>>>);

impl Found {
    /// `range` of the word's text is secret, unless it only refers to one.
    fn add(&mut self, word: Word<'_>, range: Range<usize>) {
        let range = unquoted(word.text, range);
        let value = word.text.get(range.clone()).unwrap_or_default();
        let plain = PLAIN_VALUES.iter().any(|it| value.eq_ignore_ascii_case(it));
        if value.is_empty() || value.starts_with('$') || plain {
            return;
        }
        if let Some(of) = self.0.get_mut(word.argument) {
            of.push(word.start + range.start..word.start + range.end);
        }
    }
}

/// Reads words in order: an option may say what the next word is.
fn command<'a>(words: impl Iterator<Item = Word<'a>>, depth: usize, found: &mut Found) {
    let mut program = "";
    let mut expected: Option<Part> = None;
    let mut script = false;
    for word in words {
        let is_option = word.text.starts_with('-');
        if let Some(part) = expected.take()
            && !is_option
        {
            add_part(word, 0, part, found);
            continue;
        }
        if script && depth < MAX_SCRIPT_DEPTH {
            command(shell_words(word).into_iter(), depth + 1, found);
            in_any_text(word, found);
            script = false;
            continue;
        }
        program = known_program(word.text).unwrap_or(program);
        // `-c`, `-lc`, `-ec`: what follows is a script.
        let short = word.text.strip_prefix('-').unwrap_or_default();
        let letters = !short.is_empty() && short.bytes().all(|byte| byte.is_ascii_alphabetic());
        script = letters && short.len() <= 4 && short.ends_with('c');
        expected = option(word, program, found);
        in_word(word, found);
    }
}

/// An option that carries a secret, or says that the next word is one.
fn option(word: Word<'_>, program: &str, found: &mut Found) -> Option<Part> {
    for rule in OPTIONS
        .iter()
        .filter(|rule| rule.programs.contains(&program))
    {
        if word.text == rule.option {
            return rule.separate.then_some(rule.part);
        }
        let attached = rule.attached.then(|| word.text.strip_prefix(rule.option));
        if attached.flatten().is_some() {
            add_part(word, rule.option.len(), rule.part, found);
        }
    }
    let name = word.text.strip_prefix('-')?;
    let plain = name.bytes().all(is_name);
    (plain && name.len() > 1 && is_secret(name)).then_some(Part::Whole)
}

/// What of a value is secret.
fn add_part(word: Word<'_>, from: usize, part: Part, found: &mut Found) {
    let value = word.text.get(from..).unwrap_or_default();
    let after = |separator: char| value.find(separator).map(|at| at + separator.len_utf8());
    let start = match part {
        Part::Whole if refers(value) => None,
        Part::Whole => Some(0),
        Part::AfterColon => after(':'),
        Part::AfterPercent => after('%'),
        Part::AfterEquals => after('='),
        Part::AfterPass => value.strip_prefix("pass:").map(|_| "pass:".len()),
    };
    if let Some(start) = start {
        found.add(word, from + start..word.text.len());
    }
}

/// Whether a value names a place where the secret is: docker's and openssl's ways to say so.
fn refers(value: &str) -> bool {
    ["id=", "type=", "env:", "file:", "fd:", "stdin"]
        .iter()
        .any(|way| value.starts_with(way))
}

/// What tells by itself that it is a secret, in a word.
fn in_word(word: Word<'_>, found: &mut Found) {
    assignments(word, found);
    in_any_text(word, found);
}

/// The same in a text of several words.
fn in_any_text(word: Word<'_>, found: &mut Found) {
    json_members(word, found);
    header(word, found);
    urls(word, found);
    data_source(word, found);
}

/// `NAME=value`, `--name=value`, `--env=NAME=value`, `a=b&token=value`.
fn assignments(word: Word<'_>, found: &mut Found) {
    for (at, _) in word.text.match_indices('=') {
        let before = word.text.get(..at).unwrap_or_default();
        let start = before
            .rfind(|c: char| !c.is_ascii() || !is_name(c as u8))
            .map_or(0, |end| end + 1);
        let name = before.get(start..).unwrap_or_default();
        if !is_secret(name) {
            continue;
        }
        // At the start of a word, or behind another `=`, the value is all that follows.
        let whole = start == 0 || before.get(..start).is_some_and(|b| b.ends_with('='));
        let rest = word.text.get(at + 1..).unwrap_or_default();
        let ends = |c: char| c == '&' || c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';');
        let length = match whole {
            true => rest.len(),
            false => rest.find(ends).unwrap_or(rest.len()),
        };
        if !refers(rest) {
            found.add(word, at + 1..at + 1 + length);
        }
    }
}

/// `"name": "value"`
fn json_members(word: Word<'_>, found: &mut Found) {
    let mut quotes = word.text.match_indices('"').map(|(at, _)| at);
    let (Some(mut open), Some(mut close)) = (quotes.next(), quotes.next()) else {
        return;
    };
    for next in quotes {
        let name = word.text.get(open + 1..close).unwrap_or_default();
        let between = word.text.get(close + 1..next).unwrap_or_default();
        if between.trim() == ":" && is_secret(name) {
            let rest = word.text.get(next + 1..).unwrap_or_default();
            let end = rest.find('"').unwrap_or(rest.len());
            found.add(word, next + 1..next + 1 + end);
        }
        (open, close) = (close, next);
    }
}

/// `Authorization: Basic ...`, `-HCookie: ...`: all of the value but the scheme's name.
fn header(word: Word<'_>, found: &mut Found) {
    let Some((front, value)) = word.text.split_once(':') else {
        return;
    };
    let name = front.strip_prefix("-H").unwrap_or(front);
    let name = name.rsplit('=').next().unwrap_or(name).trim();
    let is_field = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let lower = name.to_ascii_lowercase();
    let secret = is_secret(name) || lower.ends_with("authorization") || lower.ends_with("cookie");
    // An image or a volume has a colon too: `my-token:latest`.
    let spelled = value.starts_with(' ')
        || name.len() < front.len()
        || lower.starts_with("x-")
        || name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !is_field || !secret || !spelled || value.starts_with("//") {
        return;
    }
    let trimmed = value.trim_start();
    let scheme = match trimmed.split_once(' ') {
        Some((scheme, _)) if lower.ends_with("authorization") => scheme.len() + 1,
        _ => 0,
    };
    let start = word.text.len() - trimmed.len() + scheme;
    found.add(word, start..word.text.len());
}

/// `scheme://user:password@host` (RFC 3986 section 3.2.1): an `@` in the password too.
fn urls(word: Word<'_>, found: &mut Found) {
    for (at, _) in word.text.match_indices("://") {
        let start = at + 3;
        let rest = word.text.get(start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'');
        let authority = rest.get(..rest.find(ends).unwrap_or(rest.len()));
        let Some((user_info, _)) = authority.unwrap_or_default().rsplit_once('@') else {
            continue;
        };
        let http = word
            .text
            .get(..at)
            .is_some_and(|b| b.ends_with("http") || b.ends_with("https"));
        match user_info.split_once(':') {
            Some((user, _)) => found.add(word, start + user.len() + 1..start + user_info.len()),
            None if http && user_info.len() >= TOKEN_AS_USER => {
                found.add(word, start..start + user_info.len());
            }
            None => {}
        }
    }
}

/// `user:password@tcp(host:port)/database`, as MySQL's driver for Go has it.
fn data_source(word: Word<'_>, found: &mut Found) {
    let place = ["@tcp(", "@unix("].iter().find_map(|it| word.text.find(it));
    let Some(end) = place else { return };
    let before = word.text.get(..end).unwrap_or_default();
    let start = before
        .rfind(|c: char| c == '=' || c == '"' || c == '\'' || c.is_whitespace())
        .map_or(0, |at| at + 1);
    let user_info = before.get(start..).unwrap_or_default();
    if let Some(colon) = user_info.find(':') {
        found.add(word, start + colon + 1..end);
    }
}

/// Whether a name, of whatever spelling, is that of a secret.
fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-');
    let variable = name.bytes().all(|byte| !byte.is_ascii_lowercase());
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    // PWD is where a shell is; `--pwd` is what somebody called a password.
    if HARMLESS.contains(&name.as_str()) && (variable || name.starts_with("no-")) {
        return false;
    }
    let ends_in_word = |word: &&str| {
        name.strip_suffix(*word)
            .is_some_and(|before| before.is_empty() || before.ends_with('-'))
    };
    SECRET_ENDS.iter().any(|end| name.ends_with(end)) || SECRET_WORDS.iter().any(ends_in_word)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// Without the quotes around a value, of which a cut script may lack one.
fn unquoted(text: &str, range: Range<usize>) -> Range<usize> {
    let value = text.get(range.clone()).unwrap_or_default();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else { return range };
    let closed = value.len() > 1 && value.ends_with(quote);
    range.start + 1..range.end - usize::from(closed)
}

/// The words of a script, roughly as a shell cuts them: quotes keep blanks together, operators
/// end a word. A word that is quoted whole comes without its quotes.
fn shell_words(script: Word<'_>) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut begun: Option<usize> = None;
    let mut quote: Option<char> = None;
    let ends = script.text.char_indices().chain([(script.text.len(), ' ')]);
    for (at, c) in ends {
        let last = at == script.text.len();
        let splits = c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>');
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) if !last => {}
            Some(_) | None if last || splits => {
                words.extend(begun.take().map(|start| part(script, start..at)));
            }
            Some(_) | None => {
                begun.get_or_insert(at);
                quote = matches!(c, '"' | '\'').then_some(c);
            }
        }
    }
    words
}

fn part(of: Word<'_>, range: Range<usize>) -> Word<'_> {
    let inner = unquoted(of.text, range.clone());
    let quote = of.text.get(range.start..inner.start).unwrap_or_default();
    let text = of.text.get(inner.clone()).unwrap_or_default();
    // Its own quote within: the first and the last do not belong together.
    let range = if !quote.is_empty() && text.contains(quote) {
        range
    } else {
        inner
    };
    Word {
        argument: of.argument,
        start: of.start + range.start,
        text: of.text.get(range).unwrap_or_default(),
    }
}

/// Sorted, and those that touch made one.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

#[cfg(test)]
#[path = "command_line_tests.rs"]
mod tests;
