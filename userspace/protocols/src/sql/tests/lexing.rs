use super::one;
use crate::sql::limits::{ANALYSED_BYTES, MAX_OPERATORS, MAX_STATEMENTS};
use crate::sql::{Effect, analyse};

fn texts(message: &str) -> Vec<String> {
    analyse(message)
        .into_iter()
        .map(|s| s.statement.text)
        .collect()
}

/// A message, and the statements in it.
const CUTS: &[(&str, &[&str])] = &[
    ("", &[]),
    (" ; ;; ", &[]),
    ("-- nothing", &[]),
    ("select 1; select 2", &["select 1", "select 2"]),
    ("select ';'; select 2", &["select ';'", "select 2"]),
    ("select ''';'; select 2", &["select ''';'", "select 2"]),
    (
        "select '\\'; delete from t; --'",
        &["select '\\'", "delete from t"],
    ),
    (
        "select E'\\'; delete from t; --'",
        &["select E'\\'; delete from t; --'"],
    ),
    (
        "select e'\\\\'; delete from t",
        &["select e'\\\\'", "delete from t"],
    ),
    ("select \";\"; select 2", &["select \";\"", "select 2"]),
    ("select $$;$$; select 2", &["select $$;$$", "select 2"]),
    (
        "select $a$;$$;$a$; select 2",
        &["select $a$;$$;$a$", "select 2"],
    ),
    ("select a$b$c; select $b$", &["select a$b$c; select $b$"]),
    ("select 1 -- ;\n; select 2", &["select 1", "select 2"]),
    // A carriage return ends a line comment.
    (
        "select 1 -- \r; delete from t",
        &["select 1", "delete from t"],
    ),
    (
        "select 1 /* ; /* */ ; */; select 2",
        &["select 1", "select 2"],
    ),
    (
        "select 1 --/* \n; delete from t --*/",
        &["select 1", "delete from t"],
    ),
    (
        "select 1 +-- \n 2; select 3",
        &["select 1 +-- \n 2", "select 3"],
    ),
    (
        "select 'a'\n';'; select 2",
        &["select 'a'\n';'", "select 2"],
    ),
    (
        "select 'a' -- c\n ';'; select 2",
        &["select 'a' -- c\n ';'", "select 2"],
    ),
    (
        "select n';'; select b'1', x'ff'",
        &["select n';'", "select b'1', x'ff'"],
    ),
    (
        "create rule r as on insert to t do (delete from a; delete from b); select 1",
        &[
            "create rule r as on insert to t do (delete from a; delete from b)",
            "select 1",
        ],
    ),
    (
        "create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2",
        &[
            "create function f() returns int begin atomic select 1; select case when true then 1 end; end",
            "select 2",
        ],
    ),
    // A function may be called so, and has no body here.
    (
        "create function begin() returns int language sql as 'select 1'; drop table t; end",
        &[
            "create function begin() returns int language sql as 'select 1'",
            "drop table t",
            "end",
        ],
    ),
    (
        "create function f(a int default case when true then 1 end) returns int return case when true then 1 end; select 2",
        &[
            "create function f(a int default case when true then 1 end) returns int return case when true then 1 end",
            "select 2",
        ],
    ),
    (
        "select (array[1])[1]; select 2",
        &["select (array[1])[1]", "select 2"],
    ),
    ("begin; select 1; end", &["begin", "select 1", "end"]),
];

#[test]
fn a_message_is_cut_where_the_server_cuts_it() {
    for (message, want) in CUTS {
        assert_eq!(texts(message), *want, "{message}");
    }
}

#[test]
fn a_text_that_is_not_read_for_certain_is_unknown_and_whole() {
    for message in [
        "select 'open; delete from t",
        "select \"open",
        "select $$open",
        "select $a$ $b$",
        "select /* open",
        "select E'open\\'",
        "select U&'d\\0061t'; select 1",
        "select u&\"d!0061t\" uescape '!'",
        "select 'a' 'b'; select 1",
        "select 1select",
        "select `a`",
        "select {a}",
        "select 1\u{b}",
        "select \"\"",
        // What does not end may swallow what follows it.
        "deallocate f, a(b; drop table x",
        "deallocate f, a(b; drop table x)",
        "deallocate f, a[b; drop table x",
        "deallocate f, a[b; drop table x]",
        "move (; drop table x",
        "show a(; drop table x; )",
        "show a); drop table x",
        "show a]; drop table x",
        "show (a]; drop table x",
        "show [a); drop table x",
        "select 1; drop table x; (",
        "select 1; drop table x; )",
        "create rule r as on insert to t do (delete from t; drop table x",
        "create rule r as on insert to t do (delete from t; (select 1; select 2))",
        "create rule r as on insert to t do (delete from t; select a[1; 2])",
        "create function f() returns int begin atomic select 1; drop table x",
        "create function f() returns int begin atomic select case when true then 1; end; drop table x",
        "create or replace procedure p() begin atomic (select 1; end; drop table x)",
        "create function f(a int; drop table x)",
    ] {
        let statement = one(message).statement;
        assert_eq!(statement.effect, Effect::Unknown, "{message}");
        assert_eq!(statement.text, message);
        assert!(!statement.tables_known);
    }
}

#[test]
fn names_are_what_the_server_takes_them_for() {
    let long = "x".repeat(70);
    let kept = "x".repeat(63);
    for (text, reads) in [
        ("select * from Cards", vec!["cards".to_owned()]),
        ("select * from \"Cards\"", vec!["Cards".to_owned()]),
        (
            "select * from \"payments.cards\"",
            vec!["\"payments.cards\"".to_owned()],
        ),
        (
            "select * from Payments . CARDS",
            vec!["payments.cards".to_owned()],
        ),
        (
            "select * from db.payments.cards",
            vec!["payments.cards".to_owned()],
        ),
        ("select * from \"a\"\"b\"", vec!["\"a\"\"b\"".to_owned()]),
        (&format!("select * from {long}"), vec![kept.clone()]),
        (&format!("select * from \"{long}\""), vec![kept]),
        ("select * from größe", vec!["größe".to_owned()]),
    ] {
        assert_eq!(one(text).statement.reads, reads, "{text}");
    }
}

#[test]
fn at_each_limit_a_text_is_still_known_and_over_it_unknown() {
    let padded = |bytes: usize| format!("select 1{}", " ".repeat(bytes - 8));
    assert_eq!(one(&padded(ANALYSED_BYTES)).statement.effect, Effect::Read);
    assert_eq!(
        one(&padded(ANALYSED_BYTES + 1)).statement.effect,
        Effect::Unknown
    );

    let many = |count: usize| "select 1;".repeat(count);
    assert_eq!(analyse(&many(MAX_STATEMENTS)).len(), MAX_STATEMENTS);
    let over = analyse(&many(MAX_STATEMENTS + 1));
    assert_eq!((over.len(), over[0].statement.effect), (1, Effect::Unknown));

    let chain = |operators: usize| format!("select 1{}", "+1".repeat(operators));
    assert_eq!(one(&chain(MAX_OPERATORS)).statement.effect, Effect::Read);
    assert_eq!(
        one(&chain(MAX_OPERATORS + 1)).statement.effect,
        Effect::Unknown
    );
}

#[test]
fn deep_and_wide_texts_neither_crash_nor_open_anything() {
    for text in [
        format!("select {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("select {}1", "not ".repeat(20_000)),
        format!("select {}1{}", "array[".repeat(5_000), "]".repeat(5_000)),
        format!("select 1 {}", "union select 1 ".repeat(MAX_OPERATORS)),
        format!("select 1 {}", "is null ".repeat(MAX_OPERATORS)),
        format!("select 1 {}", ":: int ".repeat(MAX_OPERATORS)),
        format!("select {}1", "- ".repeat(MAX_OPERATORS)),
        format!("select {}", "case when ".repeat(10_000)),
        format!("with {} select 1", "a as (select 1),".repeat(20_000)),
        format!("{} select 1", "explain ".repeat(50_000)),
        format!("{} select 1", "prepare p as ".repeat(50_000)),
        format!(
            "copy {}select 1{} to stdout",
            "(".repeat(9_000),
            ")".repeat(9_000)
        ),
        "(".repeat(100_000),
        "select ".repeat(100_000),
    ] {
        let head: String = text.chars().take(40).collect();
        println!("{head}");
        let statements = analyse(&text);
        assert!(
            statements
                .iter()
                .all(|s| s.statement.effect <= Effect::Unknown),
            "{head}"
        );
    }
}

#[test]
fn a_wide_list_of_tables_is_known_to_be_short() {
    use crate::sql::limits::MAX_TABLES;
    for (tables, known) in [(MAX_TABLES, true), (MAX_TABLES + 1, false)] {
        let list: Vec<String> = (0..tables).map(|n| format!("t{n}")).collect();
        let statement = one(&format!("select 1 from {}", list.join(","))).statement;
        assert_eq!(statement.tables_known, known, "{tables}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = analyse(&text);
    }

    #[test]
    fn no_pieces_of_sql_make_it_panic(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "select", "*", "from", "t", "(", ")", ",", ";", "with", "as", "delete", "where",
            "'", "\"", "$$", "--", "/*", "*/", "\n", "E'", "\\", "copy", "to", "stdout", "csv",
            "explain", "prepare", "execute", "insert", "into", "values", "1", "=", "union",
            "returning", "declare", "cursor", "for", "fetch", "set", "x", ".", "::", "[", "]",
        ]), 0..40)
    ) {
        let _ = analyse(&pieces.join(" "));
        let _ = analyse(&pieces.concat());
    }
}

#[test]
fn the_corpus_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/sql");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let statements = analyse(&text);
        assert!(!statements.is_empty(), "{text}");
        let cached = crate::sql::ParseCache::default().analyse(&text);
        assert_eq!(*cached, *statements, "{text}");
        read += 1;
    }
    assert!(read > 10);
}
