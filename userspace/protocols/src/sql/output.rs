//! Where the columns of an answer come from, so that a masked column stays masked under
//! another name, inside an expression, through a subquery or a cursor.
//!
//! Every source of a FROM clause is a table (its columns keep their names), a query whose
//! columns are known, or something whose columns may all have been made from the same
//! origins. Where the text does not tell, the answer is "any".

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    Expr, FunctionArguments, ObjectName, Query, SelectItem, Statement, TableAlias, TableFactor,
    Visit, Visitor,
};

use super::limits::MAX_ORIGINS;
use super::model::{Origins, Output};
use super::scope::{Scope, Source};
use super::select;
use super::table_names::table_name;

/// What a statement answers with.
pub(crate) fn output(statement: &Statement) -> Output {
    let scope = Scope::default();
    let items = match statement {
        Statement::Query(query) => select::query(query, &scope),
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_) => select::returning(statement, &scope),
        // A schema change answers with nothing.
        _ => Some(Vec::new()),
    };
    items.map_or(Output::Unknown, Output::Columns)
}

/// Every column that a statement, or a part of one, may touch: by its name alone.
pub(crate) fn mentions<N: Visit>(node: &N) -> Origins {
    let mut mentions = Mentions::default();
    let _: ControlFlow<()> = node.visit(&mut mentions);
    mentions.origins()
}

/// Names in a piece of SQL, without regard to scopes.
#[derive(Default)]
struct Mentions {
    columns: Vec<String>,
    /// Alias or last part of the name, and the table behind it.
    relations: Vec<(String, Option<String>)>,
    whole_rows: bool,
    too_many: bool,
}

impl Mentions {
    fn origins(&self) -> Origins {
        if self.too_many {
            return Origins::any();
        }
        let mut origins = Origins::none();
        for column in &self.columns {
            origins.add(None, Some(column));
            for (name, table) in &self.relations {
                if name == column {
                    origins.add(table.as_deref(), None);
                }
            }
        }
        if self.whole_rows {
            for (_, table) in &self.relations {
                origins.add(table.as_deref(), None);
            }
        }
        origins
    }

    fn column(&mut self, name: &str) {
        if self.columns.len() >= MAX_ORIGINS {
            self.too_many = true;
        } else if !self.columns.iter().any(|known| known == name) {
            self.columns.push(name.to_owned());
        }
    }

    fn relation(&mut self, name: &str, table: Option<String>) {
        if self.relations.len() >= MAX_ORIGINS {
            self.too_many = true;
        } else {
            self.relations.push((name.to_owned(), table));
        }
    }

    fn alias(&mut self, alias: &TableAlias, table: Option<String>) {
        self.relation(&alias.name.value, table);
        // Renamed columns: any of them may be any.
        self.whole_rows |= !alias.columns.is_empty();
    }
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_select(&mut self, select: &sqlparser::ast::Select) -> ControlFlow<()> {
        self.whole_rows |= select.projection.iter().any(|item| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let table = table_name(relation);
        let last = relation.0.last().map(ToString::to_string);
        self.relation(last.unwrap_or_default().trim_matches('"'), table);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name,
                alias: Some(alias),
                args: None,
                ..
            } => self.alias(alias, table_name(name)),
            TableFactor::Table {
                alias: Some(alias), ..
            }
            | TableFactor::Derived {
                alias: Some(alias), ..
            }
            | TableFactor::Function {
                alias: Some(alias), ..
            } => self.alias(alias, None),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.column(&name.value),
            Expr::CompoundIdentifier(parts) => {
                if let Some(last) = parts.last() {
                    self.column(&last.value);
                }
            }
            Expr::QualifiedWildcard(..) => self.whole_rows = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What an expression may have been made from.
pub(crate) fn expression(expr: &Expr, scope: &Scope<'_>) -> Origins {
    if counts(expr) {
        return Origins::none();
    }
    let mut names = Names {
        scope,
        origins: Origins::none(),
        nested: false,
    };
    let _: ControlFlow<()> = expr.visit(&mut names);
    let (mut origins, nested) = (names.origins, names.nested);
    if nested {
        origins.merge(&mentions(expr));
        // What a name means inside may have been defined by a query around it.
        scope.all_derived(&mut origins);
    }
    origins
}

/// `count(..)` tells a number and no value.
fn counts(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => counts(inner),
        Expr::Function(function) => {
            matches!(function.args, FunctionArguments::List(_))
                && matches!(
                    function.name.to_string().as_str(),
                    "count" | "pg_catalog.count"
                )
        }
        _ => false,
    }
}

/// Resolves the names of an expression that has no query inside.
struct Names<'a, 'b> {
    scope: &'a Scope<'b>,
    origins: Origins,
    nested: bool,
}

impl Visitor for Names<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.nested = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => {
                self.origins.merge(&self.scope.column(&name.value).0);
            }
            Expr::CompoundIdentifier(parts) => {
                let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
                self.origins.merge(&self.scope.qualified(&names).0);
            }
            Expr::QualifiedWildcard(name, _) => {
                let whole =
                    table_name(name).map_or_else(Origins::any, |name| self.scope.whole_row(&name));
                self.origins.merge(&whole);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A source whose columns were all renamed, or that is a function of these.
pub(crate) fn made(name: Option<String>, origins: Origins) -> Source {
    Source {
        name,
        what: super::model::StarSource::Made(origins),
    }
}

/// A source that is a query.
pub(crate) fn derived(name: Option<String>, items: Vec<super::model::Item>) -> Source {
    Source {
        name,
        what: super::model::StarSource::Query(Arc::new(items)),
    }
}
