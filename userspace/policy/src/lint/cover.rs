//! Whether one set of conditions holds wherever another does, as far as their texts tell.

use std::ops::RangeInclusive;

use crate::glob::Glob;
use crate::postgres::{DottedGlob, Postgres};
use crate::rule::Case;
use crate::what::{Dns, Http, What};

/// Whether `wide` holds wherever `narrow` does; `false` where that cannot be told.
pub(super) fn case(wide: &Case, narrow: &Case) -> bool {
    let who = wide.who.is_none() || wide.who == narrow.who;
    who && what(&wide.what, &narrow.what)
}

pub(super) fn what(wide: &What, narrow: &What) -> bool {
    globs(&wide.host, &narrow.host)
        && all_in(&wide.cidr, &narrow.cidr, |wide, narrow| {
            wide.contains(narrow)
        })
        && all_in(&wide.port, &narrow.port, range)
        && all_in(&wide.protocol, &narrow.protocol, |wide, narrow| {
            wide == narrow
        })
        && block(wide.http.as_ref(), narrow.http.as_ref(), http)
        && block(wide.postgres.as_ref(), narrow.postgres.as_ref(), postgres)
        && block(wide.dns.as_ref(), narrow.dns.as_ref(), dns)
}

/// A missing block asks for nothing.
fn block<T>(wide: Option<&T>, narrow: Option<&T>, covers: fn(&T, &T) -> bool) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => covers(wide, narrow),
    }
}

/// A missing key asks for nothing; else each alternative must be covered by one.
fn all_in<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |narrow: &T| wide.iter().any(|wide| covers(wide, narrow));
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
}

fn range(wide: &RangeInclusive<u16>, narrow: &RangeInclusive<u16>) -> bool {
    wide.start() <= narrow.start() && narrow.end() <= wide.end()
}

fn globs(wide: &[Glob], narrow: &[Glob]) -> bool {
    all_in(wide, narrow, glob)
}

fn glob(wide: &Glob, narrow: &Glob) -> bool {
    match narrow.exact() {
        Some(text) => wide.matches(text),
        None => wide == narrow || wide.matches_all(),
    }
}

fn dotted(wide: &[DottedGlob], narrow: &[DottedGlob]) -> bool {
    all_in(wide, narrow, |wide, narrow| {
        wide == narrow || wide.matches_exactly(narrow)
    })
}

fn http(wide: &Http, narrow: &Http) -> bool {
    all_in(&wide.method, &narrow.method, |wide, narrow| wide == narrow)
        && globs(&wide.path, &narrow.path)
        && (wide.header.is_empty() || wide.header == narrow.header)
        && all_in(&wide.status, &narrow.status, range)
}

fn postgres(wide: &Postgres, narrow: &Postgres) -> bool {
    all_in(&wide.effect, &narrow.effect, |wide, narrow| wide == narrow)
        && globs(&wide.statement, &narrow.statement)
        && dotted(&wide.table, &narrow.table)
        && dotted(&wide.column, &narrow.column)
        && globs(&wide.database, &narrow.database)
        && globs(&wide.user, &narrow.user)
}

fn dns(wide: &Dns, narrow: &Dns) -> bool {
    globs(&wide.name, &narrow.name)
        && all_in(&wide.types, &narrow.types, |wide, narrow| wide == narrow)
}
