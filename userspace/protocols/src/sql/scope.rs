//! What names mean at a place in a query.

use std::sync::Arc;

use super::model::{Item, Origins, StarSource};

/// One entry of a FROM clause.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Alias, or the last part of the table's name.
    pub(crate) name: Option<String>,
    pub(crate) what: StarSource,
}

/// The names that can be seen: sources of this query and those around it, and WITH queries.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    pub(crate) outer: Option<&'a Scope<'a>>,
    pub(crate) with: Vec<(String, Arc<Vec<Item>>)>,
    pub(crate) sources: Vec<Source>,
}

/// Origins, and whether the value is that of a column, unchanged.
pub(crate) type Resolved = (Origins, bool);

impl<'a> Scope<'a> {
    pub(crate) fn inside(outer: &'a Scope<'a>) -> Self {
        Self {
            outer: Some(outer),
            ..Self::default()
        }
    }

    fn levels(&self) -> impl Iterator<Item = &Scope<'a>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// The WITH query of this name.
    pub(crate) fn with(&self, name: &str) -> Option<Arc<Vec<Item>>> {
        self.levels()
            .flat_map(|scope| scope.with.iter().rev())
            .find(|(known, _)| known == name)
            .map(|(_, items)| Arc::clone(items))
    }

    /// An unqualified name: a column of any source in sight, or a whole row.
    pub(crate) fn column(&self, column: &str) -> Resolved {
        let mut found = Origins::none();
        let mut direct = true;
        for source in self.levels().flat_map(|scope| &scope.sources) {
            if source.name.as_deref() == Some(column) {
                found.merge(&all_of(&source.what));
                direct = false;
            }
            let (origins, unchanged) = of_source(&source.what, column);
            direct &= unchanged;
            found.merge(&origins);
        }
        (found, direct)
    }

    /// `t.c`, `s.t.c`.
    pub(crate) fn qualified(&self, names: &[&str]) -> Resolved {
        let [.., table, column] = names else {
            return (Origins::any(), false);
        };
        let source = self
            .levels()
            .flat_map(|scope| &scope.sources)
            .find(|source| source.name.as_deref() == Some(*table));
        match source {
            Some(source) => of_source(&source.what, column),
            None => (Origins::of(None, Some(column)), false),
        }
    }

    /// `t.*` as a value.
    pub(crate) fn whole_row(&self, name: &str) -> Origins {
        self.star(name)
            .map_or_else(Origins::any, |what| all_of(&what))
    }

    /// The source that `name.*` stands for.
    pub(crate) fn star(&self, name: &str) -> Option<StarSource> {
        let last = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        self.levels()
            .flat_map(|scope| &scope.sources)
            .find(|source| source.name.as_deref() == Some(last))
            .map(|source| source.what.clone())
    }

    /// Everything that any query or renamed source in sight may have been made from.
    pub(crate) fn all_derived(&self, origins: &mut Origins) {
        for scope in self.levels() {
            for (_, items) in &scope.with {
                origins.merge(&all_items(items));
            }
            for source in &scope.sources {
                match &source.what {
                    StarSource::Table(_) => {}
                    what @ (StarSource::Query(_) | StarSource::Made(_)) => {
                        origins.merge(&all_of(what));
                    }
                }
            }
        }
    }
}

/// A column of a source, by name.
pub(crate) fn of_source(what: &StarSource, column: &str) -> Resolved {
    match what {
        StarSource::Table(table) if shows_values_of_others(table) => (Origins::any(), false),
        StarSource::Table(table) => (Origins::of(Some(table), Some(column)), true),
        StarSource::Query(items) => of_items(items, column),
        StarSource::Made(origins) => (origins.clone(), false),
    }
}

/// Statistics of the planner hold the most common values of every column.
fn shows_values_of_others(table: &str) -> bool {
    let bare = table.strip_prefix("pg_catalog.").unwrap_or(table);
    matches!(
        bare,
        "pg_stats"
            | "pg_statistic"
            | "pg_stats_ext"
            | "pg_stats_ext_exprs"
            | "pg_statistic_ext_data"
    )
}

fn of_items(items: &[Item], column: &str) -> Resolved {
    let mut origins = Origins::none();
    let (mut direct, mut named) = (true, false);
    let mut take = |(found, unchanged): Resolved| {
        origins.merge(&found);
        direct &= unchanged;
    };
    for item in items {
        match item {
            Item::Column {
                name: Some(name),
                direct,
                origins,
            } if name == column => {
                named = true;
                take((origins.clone(), *direct));
            }
            Item::Column { .. } => {}
            Item::Star(sources) => {
                for source in sources {
                    take(of_source(source, column));
                }
            }
        }
    }
    if !named {
        // The server made its name up: `?column?`, or that of the outermost function.
        for item in items {
            if let Item::Column {
                name: None,
                origins,
                ..
            } = item
            {
                take((origins.clone(), false));
            }
        }
    }
    (origins, direct)
}

/// Everything that a source may show.
pub(crate) fn all_of(what: &StarSource) -> Origins {
    match what {
        StarSource::Table(table) if shows_values_of_others(table) => Origins::any(),
        StarSource::Table(table) => Origins::of(Some(table), None),
        StarSource::Query(items) => all_items(items),
        StarSource::Made(origins) => origins.clone(),
    }
}

/// Everything that a list of items may show.
pub(crate) fn all_items(items: &[Item]) -> Origins {
    let mut all = Origins::none();
    for item in items {
        match item {
            Item::Column { origins, .. } => all.merge(origins),
            Item::Star(sources) => sources.iter().for_each(|source| all.merge(&all_of(source))),
        }
    }
    all
}
