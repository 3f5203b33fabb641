use super::one;
use crate::sql::{Origin, Output, origins, unnamed_origins};

/// The origins of a column as `t.c`, `?` for any part; `=` in front of an unchanged value.
fn shown(text: &str, names: &[&str]) -> Vec<String> {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
    let origin = |o: &Origin| format!("{}.{}", part(&o.table), part(&o.column));
    origins(&one(text).output, names)
        .iter()
        .map(|(origins, direct)| {
            let list: Vec<String> = origins.iter().map(origin).collect();
            format!("{}{}", if *direct { "=" } else { "" }, list.join(" "))
        })
        .collect()
}

/// Statement, described names, origins.
const COLUMNS: &[(&str, &[&str], &[&str])] = &[
    ("select ssn from p", &["ssn"], &["=p.ssn"]),
    ("select ssn as x from p", &["x"], &["=p.ssn"]),
    ("select s.ssn from p s", &["ssn"], &["=p.ssn"]),
    ("select ssn || '' from p", &["?column?"], &["p.ssn"]),
    (
        "select lower(ssn), id from p",
        &["lower", "id"],
        &["p.ssn", "=p.id"],
    ),
    ("select ssn from p, q", &["ssn"], &["=p.ssn q.ssn"]),
    ("select * from p", &["id", "ssn"], &["=p.id", "=p.ssn"]),
    (
        "select p.*, 1 as one from p",
        &["id", "ssn", "one"],
        &["=p.id", "=p.ssn", ""],
    ),
    (
        "select 1 as one, * from p",
        &["one", "ssn"],
        &["", "=p.ssn"],
    ),
    ("table p", &["ssn"], &["=p.ssn"]),
    (
        "select count(*), count(ssn) from p",
        &["count", "count"],
        &["", ""],
    ),
    ("select p from p", &["p"], &["p.? p.p"]),
    (
        "select row_to_json(p) from p",
        &["row_to_json"],
        &["p.? p.p"],
    ),
    (
        "select row_to_json(z) from p z",
        &["row_to_json"],
        &["p.? p.z"],
    ),
    (
        "select x from (select ssn as x from p) s",
        &["x"],
        &["=p.ssn"],
    ),
    (
        "select * from (select ssn as x from p) s",
        &["x"],
        &["=p.ssn"],
    ),
    (
        "select x from (select ssn from p) s(x)",
        &["x"],
        &["=p.ssn"],
    ),
    ("select x from (select * from p) s(x)", &["x"], &["p.?"]),
    ("select b from p a(x, b)", &["b"], &["p.?"]),
    (
        "with c as (select ssn as x from p) select x from c",
        &["x"],
        &["=p.ssn"],
    ),
    (
        "with c(x) as (select ssn from p) select y.x from c y",
        &["x"],
        &["=p.ssn"],
    ),
    (
        "select id from p union select ssn from p",
        &["id"],
        &["=p.id p.ssn"],
    ),
    ("table p union table q", &["id"], &["p.? q.?"]),
    ("select (select ssn from p)", &["ssn"], &["?.ssn"]),
    (
        "select (select x from (select ssn as x from p) s)",
        &["x"],
        &["?.ssn ?.x"],
    ),
    ("select array(select p from p)", &["array"], &["?.p p.?"]),
    (
        "select l.x from p, lateral (select p.ssn as x) l",
        &["x"],
        &["=p.ssn"],
    ),
    (
        "select u from p, unnest(array[p.ssn]) u",
        &["u"],
        &["?.ssn p.u"],
    ),
    (
        "update p set id = 1 returning ssn as y",
        &["y"],
        &["=p.ssn"],
    ),
    (
        "delete from p using q returning *",
        &["ssn"],
        &["=p.ssn q.ssn"],
    ),
    (
        "insert into p values (1) returning id, ssn",
        &["id", "ssn"],
        &["=p.id", "=p.ssn"],
    ),
    ("values ((select ssn from p))", &["column1"], &["?.ssn"]),
    ("copy (select ssn from p) to stdout", &["ssn"], &["=p.ssn"]),
    ("explain select ssn from p", &["QUERY PLAN"], &[""]),
    ("show server_version", &["server_version"], &[""]),
    ("select my_function()", &["my_function"], &[""]),
    ("select * from my_function()", &["a"], &["?.?"]),
    (
        "select most_common_vals from pg_stats",
        &["most_common_vals"],
        &["?.?"],
    ),
    ("fetch all from c", &["x"], &["?.?"]),
    ("do $$ $$", &["x"], &["?.?"]),
];

#[test]
fn every_output_column_is_traced_to_where_it_may_come_from() {
    let mut wrong = Vec::new();
    for (text, names, want) in COLUMNS {
        let shown = shown(text, names);
        if shown != *want {
            wrong.push((text, shown, want));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_recursive_query_may_show_all_that_it_mentions() {
    let text = "with recursive c as (select ssn as x from p union select x from c) select * from c";
    let shown = shown(text, &["x"]);
    assert!(shown[0].contains("?.ssn"), "{shown:?}");
}

#[test]
fn a_description_that_does_not_fit_means_any_column() {
    for (text, names) in [
        ("select a, b from t", &["a"][..]),
        ("select a from t", &["a", "b"]),
        ("select a, *, b from t", &["a"]),
    ] {
        assert!(
            shown(text, names).iter().all(|origins| origins == "?.?"),
            "{text}"
        );
    }
}

#[test]
fn between_two_stars_a_column_may_be_from_either_or_from_what_stands_between() {
    let shown = shown("select a.*, b.x as y, b.* from a, b", &["n", "y", "m"]);
    assert_eq!(shown[1], "a.y b.x b.y");
}

#[test]
fn without_names_only_fixed_places_are_known() {
    let output = |text: &str| one(text).output;
    let fixed = unnamed_origins(&output("copy p (id, ssn) to stdout"), 2);
    assert_eq!(
        fixed[1].0.iter().next().unwrap().column.as_deref(),
        Some("ssn")
    );
    let star = unnamed_origins(&output("copy p to stdout"), 2);
    assert!(
        star.iter()
            .all(|(origins, _)| origins.iter().all(|o| o.column.is_none()))
    );
}

#[test]
fn what_is_not_understood_may_show_anything() {
    for text in [
        "selec",
        "select ) from (",
        "execute p",
        "merge into a using b on true when matched then delete returning *",
    ] {
        assert!(matches!(*one(text).output, Output::Unknown), "{text}");
    }
}
