use super::one;

/// Statement, tables read, tables written.
const TABLES: &[(&str, &[&str], &[&str])] = &[
    ("select 1", &[], &[]),
    (
        "select * from a, b.c join d on true",
        &["a", "b.c", "d"],
        &[],
    ),
    ("table a", &["a"], &[]),
    ("table a.b union table c", &["a.b", "c"], &[]),
    (
        "select (select 1 from a) where exists (select 1 from b) order by (select 1 from c)",
        &["a", "b", "c"],
        &[],
    ),
    (
        "select 1 from generate_series(1, 2) g, unnest(array[1]) u",
        &[],
        &[],
    ),
    ("insert into a select * from b", &["b"], &["a"]),
    (
        "insert into a values ((select 1 from b)) returning (select 1 from c)",
        &["b", "c"],
        &["a"],
    ),
    (
        "update a set x = (select 1 from b) from c where exists (select 1 from d)",
        &["b", "c", "d"],
        &["a"],
    ),
    ("update s.a as z set x = 1", &[], &["s.a"]),
    (
        "delete from a using b where exists (select 1 from c)",
        &["b", "c"],
        &["a"],
    ),
    (
        "merge into a using b on true when matched then delete",
        &["b"],
        &["a"],
    ),
    (
        "merge into a using (select * from b) s on true when not matched then insert values (1)",
        &["b"],
        &["a"],
    ),
    (
        "with x as (delete from a returning *) select * from x, b",
        &["b"],
        &["a"],
    ),
    ("with x as (select * from a) select * from x", &["a"], &[]),
    // A name that WITH defines hides a table only where it can be seen.
    (
        "with cards as (select * from cards) select * from cards",
        &["cards"],
        &[],
    ),
    (
        "with recursive cards as (select 1 union select * from cards) select * from cards",
        &[],
        &[],
    ),
    (
        "select * from cards where exists (with cards as (select 1) select * from cards)",
        &["cards"],
        &[],
    ),
    (
        "with a as (select 1), b as (select * from a) select * from b",
        &[],
        &[],
    ),
    (
        "with b as (select * from a), a as (select 1) select * from b",
        &["a"],
        &[],
    ),
    (
        "with cards as (select 1) select * from public.cards",
        &["public.cards"],
        &[],
    ),
    (
        "with cards as (select 1) insert into cards select * from cards",
        &[],
        &["cards"],
    ),
    (
        "with x as (with y as (select * from a) select * from y) select * from x, y",
        &["a", "y"],
        &[],
    ),
    ("with a as (select 1) table a", &[], &[]),
    ("create table a as select * from b", &["b"], &["a"]),
    ("create table a (x int) inherits (b)", &["b"], &["a"]),
    (
        "create table a partition of b for values in (1)",
        &[],
        &["a", "b"],
    ),
    ("create view a as select * from b", &["b"], &["a"]),
    ("create index i on a (x)", &[], &["a"]),
    ("alter table a add column x int", &[], &["a"]),
    ("select * into a from b", &["b"], &["a"]),
    ("drop table if exists a, s.b cascade", &[], &["a", "s.b"]),
    ("truncate a, only b", &[], &["a", "b"]),
    ("lock table a in share mode", &[], &["a"]),
    ("vacuum (full) a (x, y), b", &[], &["a", "b"]),
    ("analyze verbose a", &[], &["a"]),
    ("copy a (x) to stdout", &["a"], &[]),
    ("copy a from stdin", &[], &["a"]),
    ("copy (select * from a) to stdout", &["a"], &[]),
    ("explain select * from a", &["a"], &[]),
    ("declare c cursor for select * from a", &["a"], &[]),
    ("prepare p as insert into a select * from b", &["b"], &["a"]),
    ("refresh materialized view concurrently a", &[], &["a"]),
];

#[test]
fn tables_are_those_that_a_statement_reads_and_writes() {
    let mut wrong = Vec::new();
    for (text, reads, writes) in TABLES {
        let statement = one(text).statement;
        let sorted = |tables: &[String]| {
            let mut tables = tables.to_vec();
            tables.sort();
            tables
        };
        let found = (sorted(&statement.reads), sorted(&statement.writes));
        if found.0 != *reads || found.1 != *writes || !statement.tables_known {
            wrong.push((text, found, statement.tables_known));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn where_not_all_tables_are_told_it_says_so() {
    for text in [
        "vacuum",
        "analyze",
        "reindex database d",
        "drop index i",
        "do $$ $$",
        "call p()",
        "nonsense",
        "select ) from (",
    ] {
        assert!(!one(text).statement.tables_known, "{text}");
    }
}

#[test]
fn columns_are_told_where_the_text_tells() {
    for (text, columns) in [
        (
            "select a, t.b, c as d, 1, lower(a) as e from t",
            &["t.a", "t.b", "t.c", "e"][..],
        ),
        ("select * from s.t", &["s.t.*"]),
        ("insert into t values (1) returning id", &["t.id"]),
        ("copy t (a, b) to stdout", &["t.a", "t.b"]),
        ("select x from (select a as x from t) s", &["t.a"]),
    ] {
        assert_eq!(one(text).statement.columns, columns, "{text}");
    }
}
