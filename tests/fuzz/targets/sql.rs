//! An SQL text is cut where the server cuts it, whatever stands before or behind; and what cannot
//! be understood is unknown, never less.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sluice_protocols::sql::{
    Analysed, Effect, ParseCache, analyse, origins, settings_effect, unnamed_origins,
};

/// First words of statements that change something whatever follows them.
const CHANGES: &[&str] = &[
    "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "grant",
    "revoke", "do", "call", "vacuum", "reindex", "cluster", "refresh", "comment", "security",
    "import", "reassign", "lock", "notify", "load",
];

static CACHE: LazyLock<ParseCache> = LazyLock::new(ParseCache::default);

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let statements = analyse(text);
    for statement in &statements {
        stands_in_the_text(text, statement);
        changes_what_its_first_word_says(statement);
        is_unknown_whole(statement);
        names_its_columns(statement);
    }
    assert_eq!(*CACHE.analyse(text), *statements, "the cache knows better");
    a_drop_behind_or_before_it_is_seen(text);
    stands_by_itself(text, &statements);
    is_the_same_behind_comments(text, &statements);
    let mut setting = Analysed::empty();
    settings_effect(text, "on", &mut setting);
    settings_effect("search_path", text, &mut setting);
    assert!(setting.moves_search_path || setting.statement.effect > Effect::Read);
});

fn stands_in_the_text(text: &str, analysed: &Analysed) {
    assert!(text.contains(&analysed.statement.text), "{analysed:?}");
}

fn changes_what_its_first_word_says(analysed: &Analysed) {
    let statement = &analysed.statement;
    let of_a_word = |c: char| c.is_ascii_alphanumeric() || "_$".contains(c) || !c.is_ascii();
    let word = statement.text.split(|c| !of_a_word(c)).next();
    let word = word.unwrap_or_default().to_ascii_lowercase();
    if CHANGES.contains(&word.as_str()) {
        assert!(statement.effect > Effect::Read, "{statement:?}");
    }
}

/// What no command of the server is, is unknown.
fn is_unknown_whole(analysed: &Analysed) {
    let statement = &analysed.statement;
    if statement.kind == "unknown" {
        assert_eq!(statement.effect, Effect::Unknown, "{statement:?}");
    }
}

/// As many columns have origins as the server describes.
fn names_its_columns(analysed: &Analysed) {
    for names in [&[][..], &["a"], &["a", "b", "id"]] {
        assert_eq!(origins(&analysed.output, names).len(), names.len());
    }
    assert_eq!(unnamed_origins(&analysed.output, 3).len(), 3);
}

fn a_drop_behind_or_before_it_is_seen(text: &str) {
    let mut longer = vec![
        format!("{text}\n; drop table x"),
        format!("drop table x;{text}"),
    ];
    // In a comment up to the end of the line there is no second statement.
    if !text.contains("--") {
        longer.push(format!("{text}; drop table x"));
    }
    for longer in longer {
        // In an open bracket it is no statement either, and then the message is unknown.
        assert!(strongest(&analyse(&longer)) >= Effect::Ddl, "{longer}");
    }
}

fn strongest(statements: &[Analysed]) -> Effect {
    let effects = statements.iter().map(|s| s.statement.effect);
    effects.max().unwrap_or(Effect::Read)
}

/// What stands before a text does not change what it means.
fn stands_by_itself(text: &str, statements: &[Analysed]) {
    let behind = analyse(&format!("select 1;{text}"));
    if is_one_unknown(statements) && is_one_unknown(&behind) {
        return;
    }
    assert_eq!(behind.get(1..), Some(statements), "{text}");
}

fn is_one_unknown(statements: &[Analysed]) -> bool {
    matches!(statements, [one] if one.statement.effect == Effect::Unknown)
}

fn is_the_same_behind_comments(text: &str, statements: &[Analysed]) {
    let behind = analyse(&format!("/* a /* b */ ' */ -- c\n{text}"));
    if is_one_unknown(statements) && is_one_unknown(&behind) {
        return;
    }
    assert_eq!(behind, statements, "{text}");
}
