//! Ties the columns that the server describes to the items of the select list.

use super::model::{Item, Origins, Output, StarSource};
use super::scope::{Resolved, all_items, of_source};

/// The origins of each column of a result, by the names in its description.
///
/// Items before the first `*` and behind the last one stand at known places; a column in
/// between is found by its name, which a table's column keeps.
#[must_use]
pub fn origins(output: &Output, names: &[&str]) -> Vec<Resolved> {
    match output {
        Output::ServerText => names.iter().map(|_| (Origins::none(), false)).collect(),
        Output::Unknown => names.iter().map(|_| (Origins::any(), false)).collect(),
        Output::Columns(items) => of_items(items, names),
    }
}

fn of_items(items: &[Item], names: &[&str]) -> Vec<Resolved> {
    let is_column = |item: &&Item| matches!(item, Item::Column { .. });
    let before = items.iter().take_while(is_column).count();
    let behind = items.iter().rev().take_while(is_column).count();
    if before == items.len() {
        return match items.len() == names.len() {
            true => items.iter().map(fixed).collect(),
            false => names.iter().map(|_| (Origins::any(), false)).collect(),
        };
    }
    let Some(stars) = names.len().checked_sub(before + behind) else {
        return names.iter().map(|_| (Origins::any(), false)).collect();
    };
    let (head, rest) = items.split_at_checked(before).unwrap_or((items, &[]));
    let (middle, tail) = rest
        .split_at_checked(rest.len() - behind)
        .unwrap_or((rest, &[]));
    let starred = names.iter().skip(before).take(stars);
    head.iter()
        .map(fixed)
        .chain(starred.map(|name| by_name(middle, name)))
        .chain(tail.iter().map(fixed))
        .collect()
}

fn fixed(item: &Item) -> Resolved {
    match item {
        Item::Column {
            direct, origins, ..
        } => (origins.clone(), *direct),
        Item::Star(_) => (Origins::any(), false),
    }
}

/// A column from somewhere between the first and the last star.
fn by_name(middle: &[Item], name: &str) -> Resolved {
    let mut origins = Origins::none();
    let mut direct = true;
    for item in middle {
        match item {
            Item::Star(sources) => {
                for source in sources {
                    let (found, unchanged) = of_source(source, name);
                    origins.merge(&found);
                    direct &= unchanged;
                }
            }
            column @ Item::Column { .. } => {
                origins.merge(&all_items(std::slice::from_ref(column)));
                direct = false;
            }
        }
    }
    (origins, direct)
}

/// The names of the output columns as far as the text tells: `table.column`, `table.*`.
pub(crate) fn names(items: &[Item]) -> Vec<String> {
    let mut names = Vec::new();
    for item in items {
        match item {
            Item::Column {
                direct: true,
                origins,
                ..
            } => names.extend(origins.iter().map(|origin| {
                let column = origin.column.as_deref().unwrap_or("*");
                match &origin.table {
                    Some(table) => format!("{table}.{column}"),
                    None => column.to_owned(),
                }
            })),
            Item::Column {
                name: Some(name), ..
            } => names.push(name.clone()),
            Item::Column { .. } => {}
            Item::Star(sources) => names.extend(sources.iter().filter_map(|source| match source {
                StarSource::Table(table) => Some(format!("{table}.*")),
                StarSource::Query(_) | StarSource::Made(_) => None,
            })),
        }
    }
    names.truncate(super::limits::MAX_COLUMNS);
    names
}

/// The origins of each of `count` columns whose names are not told: what stands at a known
/// place keeps its own, every other one may be any column of any source.
#[must_use]
pub fn unnamed_origins(output: &Output, count: usize) -> Vec<Resolved> {
    match output {
        Output::Columns(items)
            if items.len() != count || items.iter().any(|item| matches!(item, Item::Star(_))) =>
        {
            vec![(all_items(items), false); count]
        }
        Output::Columns(_) | Output::ServerText | Output::Unknown => {
            origins(output, &vec![""; count])
        }
    }
}
