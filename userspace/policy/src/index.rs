//! Which rules of a layer an operation can match at all, found without looking at the others.
//!
//! Rules are keyed by what their globs say literally: the first parts of an HTTP path, the
//! schema of a table, the name that a DNS question is about. A rule whose globs say nothing
//! literally is general, and looked at every time.

use std::collections::HashMap;

use sluice_flow::Statement;
use smallvec::SmallVec;

use crate::job::JobRule;
use crate::rule::Rank;
use crate::what::{Asked, Kind, What};

/// How many parts of a path make a key.
const PATH_PARTS: usize = 3;

/// Numbers of rules in their layer.
pub(crate) type Selected = SmallVec<[usize; 16]>;

/// Rules by key.
#[derive(Debug, Default)]
struct Keyed {
    general: Vec<usize>,
    by_key: HashMap<Box<str>, Vec<usize>>,
}

impl Keyed {
    /// `keys` is `None` for a rule that anything may match.
    fn add(&mut self, rule: usize, keys: Option<Vec<&str>>) {
        let Some(keys) = keys else {
            return self.general.push(rule);
        };
        for key in keys {
            let rules = self.by_key.entry(key.into()).or_default();
            if rules.last() != Some(&rule) {
                rules.push(rule);
            }
        }
    }

    /// Rules that keys lead to and those of `general`, strictest first, each once.
    fn of<'k>(&self, general: &[usize], keys: impl Iterator<Item = &'k str>) -> Selected {
        let mut selected = Selected::from_slice(general);
        for rules in keys.filter_map(|key| self.by_key.get(key)) {
            selected.extend_from_slice(rules);
        }
        selected.sort_unstable();
        selected.dedup();
        selected
    }

    fn all(&self) -> Selected {
        let mut all: Selected = self.by_key.values().flatten().copied().collect();
        all.extend_from_slice(&self.general);
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Rules that say nothing literally about an operation, and that a flow leaves possible.
#[derive(Debug, Default)]
pub(crate) struct General {
    http: Vec<usize>,
    postgres: Vec<usize>,
    opaque: Vec<usize>,
}

/// The rules of one layer by what they can match.
#[derive(Debug, Default)]
pub(crate) struct Index {
    http: Keyed,
    postgres: Keyed,
    /// Rules keyed by schema that do more than allow.
    schemas_closed: Vec<usize>,
    dns: Keyed,
    opaque: Vec<usize>,
    every: Vec<usize>,
}

impl Index {
    pub(crate) fn new(rules: &[JobRule]) -> Self {
        let mut index = Self {
            every: (0..rules.len()).collect(),
            ..Self::default()
        };
        for (rule, at) in rules.iter().enumerate() {
            let what = &at.rule.case.what;
            if what.can_be(Kind::Http) {
                index.http.add(rule, path_keys(what));
            }
            if what.can_be(Kind::Postgres) {
                let schemas = schema_keys(what);
                if schemas.is_some() && at.rule.verb.rank() != Rank::Allow {
                    index.schemas_closed.push(rule);
                }
                index.postgres.add(rule, schemas);
            }
            // A rule about something else still lets its hosts be resolved.
            if what.can_be(Kind::Dns) || !what.host.is_empty() {
                index.dns.add(rule, host_keys(what));
            }
            if what.can_be(Kind::Opaque) {
                index.opaque.push(rule);
            }
        }
        index
    }

    /// Rules that can match: every other one certainly does not.
    pub(crate) fn select(&self, asked: &Asked<'_>, general: &General) -> Selected {
        match asked {
            Asked::Connect => Selected::from_slice(&self.every),
            Asked::Opaque(_) => Selected::from_slice(&general.opaque),
            Asked::Http(request, _) => self.http.of(&general.http, path_prefixes(&request.path)),
            Asked::Dns(question) => self
                .dns
                .of(&self.dns.general, std::iter::once(question.name.as_str())),
            Asked::Postgres(_, statement) => self.of_statement(*statement, general),
        }
    }

    fn of_statement(&self, statement: Option<&Statement>, general: &General) -> Selected {
        if let Some(schemas) = statement.and_then(schemas) {
            return self.postgres.of(&general.postgres, schemas.into_iter());
        }
        if statement.is_some_and(names_bare_table) {
            // Which schema it is in cannot be known, so what names one cannot allow it.
            let mut selected = Selected::from_slice(&general.postgres);
            selected.extend_from_slice(&self.schemas_closed);
            selected.sort_unstable();
            return selected;
        }
        self.postgres.all()
    }

    /// Rules without a key that a flow leaves possible.
    pub(crate) fn general(&self, possible: impl Fn(usize) -> bool) -> General {
        let of = |rules: &[usize]| {
            rules
                .iter()
                .copied()
                .filter(|rule| possible(*rule))
                .collect()
        };
        General {
            http: of(&self.http.general),
            postgres: of(&self.postgres.general),
            opaque: of(&self.opaque),
        }
    }
}

/// Whole parts that each path begins with.
fn path_keys(what: &What) -> Option<Vec<&str>> {
    let http = what.http.as_ref().filter(|http| !http.path.is_empty())?;
    http.path.iter().map(|glob| path_key(glob.text())).collect()
}

fn path_key(glob: &str) -> Option<&str> {
    path_prefixes(literal_parts(glob))
        .last()
        .filter(|key| !key.is_empty())
}

/// The part of a glob before its first wildcard, cut at the last border of parts; all of a
/// glob without wildcards.
fn literal_parts(glob: &str) -> &str {
    let Some((head, _)) = glob.split_once('*') else {
        return glob;
    };
    head.rsplit_once('/').map_or("", |(parts, _)| parts)
}

/// `/a/b/c/d`: `/a`, `/a/b`, `/a/b/c`.
fn path_prefixes(path: &str) -> impl Iterator<Item = &str> {
    let borders = path
        .char_indices()
        .skip(1)
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| at);
    borders
        .chain(std::iter::once(path.len()))
        .take(PATH_PARTS)
        .filter_map(|at| path.get(..at))
}

/// Schemas that tables are in; a table without one may be in any.
fn schema_keys(what: &What) -> Option<Vec<&str>> {
    let postgres = what
        .postgres
        .as_ref()
        .filter(|postgres| !postgres.table.is_empty())?;
    postgres
        .table
        .iter()
        .map(|glob| literal_schema(glob.text()))
        .collect()
}

fn literal_schema(glob: &str) -> Option<&str> {
    glob.split_once('.')
        .map(|(schema, _)| schema)
        .filter(|schema| !schema.contains('*'))
}

/// Schemas of all tables that a statement touches, where each is known with one.
fn schemas(statement: &Statement) -> Option<SmallVec<[&str; 4]>> {
    let touched = || statement.reads.iter().chain(&statement.writes);
    if !statement.tables_known || touched().next().is_none() {
        return None;
    }
    touched().map(|name| schema_of(name)).collect()
}

/// Whether a statement touches a table that it names without a schema.
fn names_bare_table(statement: &Statement) -> bool {
    let mut touched = statement.reads.iter().chain(&statement.writes);
    touched.any(|name| !name.contains('.'))
}

fn schema_of(name: &str) -> Option<&str> {
    name.split_once('.')
        .filter(|(_, table)| !table.contains('.'))
        .map(|(schema, _)| schema)
}

/// Names that questions are about, where all are without wildcards.
fn host_keys(what: &What) -> Option<Vec<&str>> {
    let hosts = (!what.host.is_empty()).then_some(&what.host)?;
    hosts.iter().map(|glob| glob.exact()).collect()
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
