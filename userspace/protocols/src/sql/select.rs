//! Select lists, and the sources that they draw from.

use std::sync::Arc;

use sqlparser::ast::{
    Cte, Expr, FromTable, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Statement, TableAlias, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
};

use super::limits::{MAX_COLUMNS, MAX_SOURCES};
use super::model::{Item, Origins, StarSource};
use super::output::{derived, expression, made, mentions};
use super::scope::{Scope, Source, all_items};
use super::table_names::table_name;

/// The columns of a query; `None` when the text does not tell.
pub(crate) fn query(query: &Query, outer: &Scope<'_>) -> Option<Vec<Item>> {
    let mut scope = Scope::inside(outer);
    if let Some(with) = &query.with {
        if with.cte_tables.len() > MAX_SOURCES {
            return None;
        }
        for cte in &with.cte_tables {
            let items = common(cte, with.recursive, &scope)?;
            scope
                .with
                .push((cte.alias.name.value.clone(), Arc::new(items)));
        }
    }
    if !query.pipe_operators.is_empty() || query.for_clause.is_some() {
        return None;
    }
    let items = set(&query.body, &scope)?;
    (items.len() <= MAX_COLUMNS).then_some(items)
}

fn common(cte: &Cte, recursive: bool, scope: &Scope<'_>) -> Option<Vec<Item>> {
    let items = if recursive {
        // Its columns may be made from its own columns: all of them from all it mentions.
        let mut origins = mentions(&*cte.query);
        scope.all_derived(&mut origins);
        vec![Item::Star(vec![StarSource::Made(origins)])]
    } else {
        query(&cte.query, scope)?
    };
    Some(renamed(items, Some(&cte.alias)))
}

/// The columns under the names that an alias gives them.
fn renamed(items: Vec<Item>, alias: Option<&TableAlias>) -> Vec<Item> {
    let names = alias.map_or(&[][..], |alias| alias.columns.as_slice());
    if names.is_empty() {
        return items;
    }
    let fixed = items.iter().all(|item| matches!(item, Item::Column { .. }));
    if !fixed || names.len() > items.len() {
        return vec![Item::Star(vec![StarSource::Made(all_items(&items))])];
    }
    let mut names = names.iter().map(|column| column.name.value.clone());
    let rename = |item| match item {
        Item::Column {
            name,
            direct,
            origins,
        } => Item::Column {
            name: names.next().or(name),
            direct,
            origins,
        },
        star @ Item::Star(_) => star,
    };
    items.into_iter().map(rename).collect()
}

fn set(body: &SetExpr, scope: &Scope<'_>) -> Option<Vec<Item>> {
    match body {
        SetExpr::Select(body) => select(body, scope),
        SetExpr::Query(inner) => query(inner, scope),
        SetExpr::SetOperation { left, right, .. } => {
            Some(combined(&set(left, scope)?, &set(right, scope)?))
        }
        SetExpr::Values(values) => {
            let rows = values.rows.iter().map(|row| &row.content);
            Some(rows.fold(Vec::new(), |items, row| value_row(items, row.iter(), scope)))
        }
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => returning(statement, scope),
        // Written out as SELECT before.
        SetExpr::Table(_) => None,
    }
}

/// One more row of VALUES.
fn value_row<'a>(
    mut items: Vec<Item>,
    row: impl Iterator<Item = &'a Expr>,
    scope: &Scope<'_>,
) -> Vec<Item> {
    for (at, value) in row.enumerate() {
        let found = expression(value, scope);
        match items.get_mut(at) {
            Some(Item::Column { origins, .. }) => origins.merge(&found),
            Some(Item::Star(_)) | None => items.push(Item::Column {
                name: Some(format!("column{}", at + 1)),
                direct: false,
                origins: found,
            }),
        }
    }
    items
}

/// UNION and its kin: the names of the left, the values of both.
fn combined(left: &[Item], right: &[Item]) -> Vec<Item> {
    let paired: Option<Vec<Item>> = left
        .iter()
        .zip(right)
        .map(|pair| match pair {
            (
                Item::Column {
                    name,
                    direct,
                    origins,
                },
                Item::Column {
                    direct: also,
                    origins: more,
                    ..
                },
            ) => {
                let mut origins = origins.clone();
                origins.merge(more);
                let direct = *direct && *also;
                Some(Item::Column {
                    name: name.clone(),
                    direct,
                    origins,
                })
            }
            _ => None,
        })
        .collect();
    match paired {
        Some(items) if left.len() == right.len() => items,
        _ => {
            let mut all = all_items(left);
            all.merge(&all_items(right));
            vec![Item::Star(vec![StarSource::Made(all)])]
        }
    }
}

fn select(select: &Select, outer: &Scope<'_>) -> Option<Vec<Item>> {
    if select.exclude.is_some() || select.value_table_mode.is_some() {
        return None;
    }
    if select.into.is_some() {
        return Some(Vec::new());
    }
    let mut scope = Scope::inside(outer);
    for table in &select.from {
        joined(table, &mut scope)?;
    }
    items(&select.projection, &scope)
}

/// What INSERT, UPDATE, DELETE and MERGE answer with.
pub(crate) fn returning(statement: &Statement, outer: &Scope<'_>) -> Option<Vec<Item>> {
    let mut scope = Scope::inside(outer);
    let list = match statement {
        Statement::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else {
                return None;
            };
            let alias = insert.table_alias.as_ref().map(|alias| &alias.alias.value);
            let table = table_name(name)?;
            let last = last_part(&table);
            scope.sources.push(Source {
                name: Some(alias.cloned().unwrap_or(last)),
                what: StarSource::Table(table),
            });
            insert.returning.as_ref()
        }
        Statement::Update(update) => {
            joined(&update.table, &mut scope)?;
            if let Some(
                UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from),
            ) = &update.from
            {
                from.iter()
                    .try_for_each(|table| joined(table, &mut scope))?;
            }
            update.returning.as_ref()
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let using = delete.using.iter().flatten();
            from.iter()
                .chain(using)
                .try_for_each(|table| joined(table, &mut scope))?;
            delete.returning.as_ref()
        }
        // MERGE .. RETURNING (PostgreSQL 17) is not told apart.
        _ => return None,
    };
    match list {
        Some(list) => items(list, &scope),
        None => Some(Vec::new()),
    }
}

fn items(list: &[SelectItem], scope: &Scope<'_>) -> Option<Vec<Item>> {
    if list.len() > MAX_COLUMNS {
        return None;
    }
    list.iter().map(|item| self::item(item, scope)).collect()
}

fn item(item: &SelectItem, scope: &Scope<'_>) -> Option<Item> {
    Some(match item {
        SelectItem::UnnamedExpr(expr) => column(expr, own_name(expr), scope),
        SelectItem::ExprWithAlias { expr, alias } => column(expr, Some(alias.value.clone()), scope),
        SelectItem::ExprWithAliases { .. } => return None,
        SelectItem::Wildcard(_) => Item::Star(
            scope
                .sources
                .iter()
                .map(|source| source.what.clone())
                .collect(),
        ),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            Item::Star(vec![scope.star(&table_name(name)?)?])
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
            Item::Star(vec![StarSource::Made(expression(expr, scope))])
        }
    })
}

fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        Expr::Nested(inner) => own_name(inner),
        _ => None,
    }
}

fn column(expr: &Expr, name: Option<String>, scope: &Scope<'_>) -> Item {
    let (origins, direct) = match expr {
        Expr::Identifier(name) => scope.column(&name.value),
        Expr::CompoundIdentifier(parts) => {
            let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
            scope.qualified(&names)
        }
        Expr::Nested(inner) => return column(inner, name, scope),
        _ => (expression(expr, scope), false),
    };
    Item::Column {
        name,
        direct,
        origins,
    }
}

fn joined(table: &TableWithJoins, scope: &mut Scope<'_>) -> Option<()> {
    factor(&table.relation, scope)?;
    table
        .joins
        .iter()
        .try_for_each(|join| factor(&join.relation, scope))
}

/// Adds a source. What comes later may refer to it (LATERAL).
fn factor(factor: &TableFactor, scope: &mut Scope<'_>) -> Option<()> {
    if scope.sources.len() >= MAX_SOURCES {
        return None;
    }
    let source = match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let table = table_name(name)?;
            let last = last_part(&table);
            let with = (name.0.len() == 1).then(|| scope.with(&last)).flatten();
            let name = Some(
                alias
                    .as_ref()
                    .map_or(last, |alias| alias.name.value.clone()),
            );
            let renamed_columns = alias
                .as_ref()
                .is_some_and(|alias| !alias.columns.is_empty());
            match with {
                Some(items) => derived(name, renamed((*items).clone(), alias.as_ref())),
                None if renamed_columns => made(name, Origins::of(Some(&table), None)),
                None => Source {
                    name,
                    what: StarSource::Table(table),
                },
            }
        }
        TableFactor::Derived {
            subquery, alias, ..
        } => {
            let items = query(subquery, scope)?;
            let name = alias.as_ref().map(|alias| alias.name.value.clone());
            derived(name, renamed(items, alias.as_ref()))
        }
        TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } => return joined(table_with_joins, scope),
        TableFactor::Function { alias, .. } | TableFactor::Table { alias, .. } => {
            function(factor, alias.as_ref(), scope)
        }
        TableFactor::UNNEST { alias, .. }
        | TableFactor::XmlTable { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::TableFunction { alias, .. } => function(factor, alias.as_ref(), scope),
        _ => return None,
    };
    scope.sources.push(source);
    Some(())
}

/// A function in FROM: what it gives may be made from all that its arguments mention.
fn function(factor: &TableFactor, alias: Option<&TableAlias>, scope: &Scope<'_>) -> Source {
    let mut origins = mentions(factor);
    scope.all_derived(&mut origins);
    let called = match factor {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => table_name(name),
        _ => None,
    };
    if called.as_deref().is_some_and(is_unknown_function) {
        origins = Origins::any();
    }
    let name = alias.map(|alias| alias.name.value.clone()).or(called);
    made(name, origins)
}

fn is_unknown_function(name: &str) -> bool {
    let (schema, name) = match name.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, name),
    };
    super::functions::effect(schema, name) == sluice_flow::Effect::Unknown
}

fn last_part(table: &str) -> String {
    match table.rsplit_once('"') {
        // `schema."odd.name"`
        Some(_) => table.split('"').nth(1).unwrap_or(table).to_owned(),
        None => table.rsplit('.').next().unwrap_or(table).to_owned(),
    }
}
