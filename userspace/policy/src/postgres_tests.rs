use super::*;
use crate::testing::{message, statement};
use crate::truth::Truth::{False, True, Unknown};
use sluice_flow::Effect::{self, Admin, Ddl, Read, Write};

fn dotted(texts: &[&str]) -> Vec<DottedGlob> {
    texts.iter().map(|t| DottedGlob::new(t).unwrap()).collect()
}

fn tables(texts: &[&str]) -> Postgres {
    Postgres {
        table: dotted(texts),
        ..Postgres::default()
    }
}

fn effects(effect: &[Effect]) -> Postgres {
    Postgres {
        effect: effect.to_vec(),
        ..Postgres::default()
    }
}

fn truth(block: &Postgres, statement: Option<&Statement>, side: Side) -> Truth {
    let mut all = AllOf::quick();
    block.keys(&message(Vec::new()), statement, side, &mut all);
    all.truth()
}

/// What an allow rule and what a deny rule makes of it.
fn both(block: &Postgres, statement: &Statement) -> (Truth, Truth) {
    (
        truth(block, Some(statement), Side::Opens),
        truth(block, Some(statement), Side::Closes),
    )
}

#[test]
fn names_with_and_without_schema() {
    for (glob, name, opens, closes) in [
        ("payments.cards", "payments.cards", True, True),
        ("payments.*", "payments.cards", True, True),
        ("payments.*", "public.cards", False, False),
        ("payments.*", "cards", Unknown, Unknown),
        ("payments.cards", "cards", Unknown, Unknown),
        ("payments.cards", "users", False, False),
        ("cards", "cards", True, True),
        ("cards", "payments.cards", False, True),
        ("cards", "evil.payments.cards", False, True),
        ("payments.*", "db.payments.cards", False, True),
        ("**", "a.b.c", True, True),
        ("*", "a", True, True),
        ("*", "a.b", False, True),
    ] {
        let glob = DottedGlob::new(glob).unwrap();
        let got = (
            glob.truth(name, Side::Opens),
            glob.truth(name, Side::Closes),
        );
        assert_eq!(got, (opens, closes), "{glob:?} {name}");
    }
}

#[test]
fn allow_needs_all_tables_deny_any() {
    let block = tables(&["payments.*"]);
    for (reads, writes, opens, closes) in [
        (&["payments.a"][..], &[][..], True, True),
        (&["payments.a"], &["payments.b"], True, True),
        (&["payments.a", "users.a"], &[], False, True),
        (&["users.a"], &["payments.a"], False, True),
        (&["payments.a"], &["users.a"], False, True),
        (&["users.a"], &["users.b"], False, False),
        (&["payments.a", "b"], &[], Unknown, True),
        (&["users.a", "b"], &[], False, Unknown),
    ] {
        let got = both(&block, &statement(Write, reads, writes));
        assert_eq!(got, (opens, closes), "{reads:?} {writes:?}");
    }
}

#[test]
fn tables_that_are_not_all_known() {
    let block = tables(&["payments.*"]);
    for (reads, opens, closes) in [
        (&["payments.a"][..], Unknown, True),
        (&["users.a"], False, Unknown),
        (&[], Unknown, Unknown),
    ] {
        let known = statement(Read, reads, &[]);
        let got = both(
            &block,
            &Statement {
                tables_known: false,
                ..known
            },
        );
        assert_eq!(got, (opens, closes), "{reads:?}");
    }
}

#[test]
fn no_table_is_opened_only_to_look() {
    let block = tables(&["payments.*"]);
    for (effect, opens) in [(Read, True), (Write, False), (Ddl, False), (Admin, False)] {
        let got = both(&block, &statement(effect, &[], &[]));
        assert_eq!(got, (opens, False), "{effect:?}");
    }
    assert_eq!(
        both(&block, &statement(Effect::Unknown, &[], &[])),
        (False, Unknown)
    );
}

#[test]
fn the_strongest_effect_decides() {
    for (wanted, effect, opens, closes) in [
        (&[Read][..], Read, True, True),
        (&[Read], Write, False, False),
        (&[Read, Write], Write, True, True),
        (&[Ddl], Admin, False, False),
        (&[Read], Effect::Unknown, Unknown, Unknown),
        (&[Effect::Unknown], Effect::Unknown, True, True),
        (&[Effect::Unknown], Read, False, False),
    ] {
        let got = both(&effects(wanted), &statement(effect, &[], &[]));
        assert_eq!(got, (opens, closes), "{wanted:?} {effect:?}");
    }
}

#[test]
fn a_statement_that_writes_and_reads_does_not_get_round_a_deny_of_reading() {
    let copy = statement(Write, &["payments.cards"], &["public.loot"]);
    let block = Postgres {
        table: dotted(&["payments.cards"]),
        ..effects(&[Read])
    };
    assert_eq!(both(&block, &copy), (False, True));
    let into = statement(Write, &["public.loot"], &["payments.cards"]);
    assert_eq!(both(&block, &into), (False, False));
    let create = statement(Ddl, &["payments.cards"], &["public.loot"]);
    assert_eq!(both(&block, &create), (False, True));
    assert_eq!(both(&effects(&[Read]), &copy), (False, True));
}

#[test]
fn nothing_could_be_told() {
    for side in [Side::Opens, Side::Closes] {
        assert_eq!(truth(&effects(&[Read]), None, side), Unknown);
        assert_eq!(truth(&effects(&[Effect::Unknown]), None, side), True);
        assert_eq!(truth(&tables(&["a.b"]), None, side), Unknown);
        assert_eq!(truth(&Postgres::default(), None, side), True);
    }
}

#[test]
fn kinds_of_statements() {
    let one = |texts: &[&str]| Postgres {
        statement: texts
            .iter()
            .map(|t| Glob::new(t, Parts::One).unwrap())
            .collect(),
        ..Postgres::default()
    };
    for (globs, kind, want) in [
        (&["select"][..], "select", True),
        (&["create *"], "create table", True),
        (&["create *", "drop *"], "alter table", False),
        (&["select"], "unknown", Unknown),
        (&["unknown"], "unknown", True),
    ] {
        let statement = Statement {
            kind: kind.to_owned(),
            ..statement(Read, &[], &[])
        };
        assert_eq!(
            both(&one(globs), &statement),
            (want, want),
            "{globs:?} {kind}"
        );
    }
}

#[test]
fn columns() {
    let block = Postgres {
        column: dotted(&["*.ssn", "users.mail"]),
        ..Postgres::default()
    };
    for (columns, reads, opens, closes) in [
        (&["users.ssn"][..], &["users"][..], True, True),
        (&["users.ssn", "users.id"], &["users"], False, True),
        (&["users.id"], &["users"], False, False),
        (&["ssn"], &["users"], Unknown, Unknown),
        (&["id"], &["users"], False, False),
        (&["*"], &["users"], Unknown, Unknown),
        (&["users.*"], &["users"], Unknown, Unknown),
        (&["users.ssn", "*"], &["users"], Unknown, True),
        (&[], &["users"], Unknown, Unknown),
        (&[], &[], False, False),
    ] {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        let statement = Statement {
            columns,
            ..statement(Read, reads, &[])
        };
        assert_eq!(both(&block, &statement), (opens, closes), "{statement:?}");
    }
}

#[test]
fn database_and_user() {
    let one = |text: &str| vec![Glob::new(text, Parts::One).unwrap()];
    for (database, user, want) in [
        ("app", "ci", True),
        ("app*", "*", True),
        ("prod", "ci", False),
        ("app", "root", False),
    ] {
        let block = Postgres {
            database: one(database),
            user: one(user),
            ..Postgres::default()
        };
        assert_eq!(
            both(&block, &statement(Read, &[], &[])),
            (want, want),
            "{database} {user}"
        );
    }
    let block = Postgres {
        database: one("app"),
        ..Postgres::default()
    };
    let mut all = AllOf::quick();
    let unknown = SqlMessage {
        database: String::new(),
        ..message(Vec::new())
    };
    block.keys(&unknown, None, Side::Opens, &mut all);
    assert_eq!(all.truth(), Unknown);
}
