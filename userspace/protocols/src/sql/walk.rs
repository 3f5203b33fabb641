//! Walks a parsed statement for its effect and its tables, by the strongest thing anywhere
//! inside.

use std::ops::ControlFlow;

use sluice_flow::Effect;
use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, FromTable, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectName, Query, Select, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, Value, Visit, Visitor,
};

use super::functions;
use super::limits::{MAX_SOURCES, MAX_TABLES};
use super::model::Analysed;
use super::settings;
use super::table_names::{expression_name, identifier, part, table_name};

/// Fills in effect, tables and changes of settings.
pub(crate) fn walk(statement: &Statement, analysed: &mut Analysed) {
    let mut walk = Walk {
        analysed,
        with: Vec::new(),
        bodies: Vec::new(),
        written: Vec::new(),
        no_tables: Vec::new(),
    };
    let _: ControlFlow<()> = statement.visit(&mut walk);
}

/// A node by where it is: the visitor names relations without telling what they are for.
type Place = usize;

fn place<T>(node: &T) -> Place {
    std::ptr::from_ref(node).addr()
}

/// The names that a WITH clause defines, and how many of them can be seen at present.
struct With {
    query: Place,
    names: Vec<String>,
    visible: usize,
}

/// The body of a common table expression: it sees what was defined before it.
struct Body {
    query: Place,
    with: Place,
    sees: usize,
}

struct Walk<'a> {
    analysed: &'a mut Analysed,
    with: Vec<With>,
    bodies: Vec<Body>,
    written: Vec<Place>,
    no_tables: Vec<Place>,
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let effect = self.statement(statement);
        self.at_least(effect);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.bodies.len() > MAX_SOURCES || self.no_tables.len() > MAX_SOURCES {
            self.at_least(Effect::Unknown);
            self.analysed.statement.tables_known = false;
            return ControlFlow::Break(());
        }
        self.enter_body(place(query));
        self.enter_with(query);
        self.whole_tables(&query.body);
        if !query.locks.is_empty() {
            // Row locks: the server asks for the privilege to update.
            self.at_least(Effect::Write);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if query.with.is_some() {
            self.with.pop();
        }
        self.leave_body(place(query));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            self.at_least(Effect::Ddl);
            for target in &into.targets {
                match expression_name(target) {
                    Some(name) => self.table(Table::Written, name),
                    None => self.analysed.statement.tables_known = false,
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name,
                args: Some(args),
                ..
            } => {
                self.no_tables.push(place(name));
                self.call(name, &args.args);
            }
            TableFactor::Function { name, args, .. } => {
                self.no_tables.push(place(name));
                self.call(name, args);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let at = place(relation);
        if self.no_tables.contains(&at) {
            return ControlFlow::Continue(());
        }
        let Some(name) = table_name(relation) else {
            self.at_least(Effect::Unknown);
            return ControlFlow::Continue(());
        };
        if self.written.contains(&at) {
            self.writes(name);
        } else if relation.0.len() > 1 || !self.is_defined(&name) {
            self.table(Table::Read, name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::CompoundIdentifier(parts) => {
                if let Some(last) = parts.last() {
                    self.attribute(&last.value);
                }
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                        self.attribute(&field.value);
                    }
                }
            }
            Expr::BinaryOp { op, .. } => self.operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => {
                self.operator(compare_op);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What is done to a table.
#[derive(Clone, Copy)]
enum Table {
    Read,
    Written,
}

impl Walk<'_> {
    /// Notes a table once; over the limit the list is known to be short.
    fn table(&mut self, done: Table, name: String) {
        let statement = &mut self.analysed.statement;
        let tables = match done {
            Table::Read => &mut statement.reads,
            Table::Written => &mut statement.writes,
        };
        if tables.len() >= MAX_TABLES {
            statement.tables_known = false;
        } else if !tables.contains(&name) {
            tables.push(name);
        }
    }

    fn at_least(&mut self, effect: Effect) {
        let statement = &mut self.analysed.statement;
        statement.effect = statement.effect.max(effect);
    }

    /// What a statement does by itself; notes which of its relations it writes.
    fn statement(&mut self, statement: &Statement) -> Effect {
        match statement {
            Statement::Query(_) => Effect::Read,
            Statement::Insert(insert) => {
                match &insert.table {
                    TableObject::TableName(name) => self.written.push(place(name)),
                    TableObject::TableFunction(_) | TableObject::TableQuery(_) => {
                        return Effect::Unknown;
                    }
                }
                Effect::Write
            }
            Statement::Update(update) => {
                self.target(&update.table.relation);
                Effect::Write
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) =
                    &delete.from;
                from.iter().for_each(|table| self.targets(table));
                if delete.tables.is_empty() {
                    Effect::Write
                } else {
                    Effect::Unknown
                }
            }
            Statement::Merge(merge) => {
                self.target(&merge.table);
                Effect::Write
            }
            Statement::CreateTable(table) => {
                self.written.push(place(&table.name));
                self.written.extend(table.partition_of.as_ref().map(place));
                let parents = table.inherits.iter().flatten().filter_map(table_name);
                self.analysed.statement.reads.extend(parents);
                Effect::Ddl
            }
            Statement::CreateView(view) => {
                self.written.push(place(&view.name));
                Effect::Ddl
            }
            Statement::CreateIndex(index) => {
                self.written.push(place(&index.table_name));
                Effect::Ddl
            }
            Statement::AlterTable(table) => {
                self.written.push(place(&table.name));
                Effect::Ddl
            }
            Statement::AlterView { name, .. } => {
                self.written.push(place(name));
                Effect::Ddl
            }
            Statement::CreateSchema { .. } | Statement::CreateDomain(_) => Effect::Ddl,
            // No other statement is sent to the parser; what it made of this one is unknown.
            _ => Effect::Unknown,
        }
    }

    fn targets(&mut self, table: &TableWithJoins) {
        self.target(&table.relation);
        if !table.joins.is_empty() {
            self.at_least(Effect::Unknown);
        }
    }

    fn target(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, .. } => self.written.push(place(name)),
            _ => self.at_least(Effect::Unknown),
        }
    }

    fn writes(&mut self, name: String) {
        let bare = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        if bare == "pg_settings" {
            // An update of this view is a SET in disguise.
            self.analysed.changes_lexing = true;
            self.at_least(Effect::Unknown);
        } else if bare.starts_with("pg_") || name.starts_with("pg_catalog.") {
            self.at_least(Effect::Admin);
        }
        self.table(Table::Written, name);
    }

    /// `TABLE t` was written out before; where the parser still finds it, it skipped tokens.
    fn whole_tables(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Table(_) => self.at_least(Effect::Unknown),
            SetExpr::SetOperation { left, right, .. } => {
                self.whole_tables(left);
                self.whole_tables(right);
            }
            _ => {}
        }
    }

    fn enter_with(&mut self, query: &Query) {
        let Some(with) = &query.with else {
            return;
        };
        let names: Vec<String> = with
            .cte_tables
            .iter()
            .map(|cte| part(&cte.alias.name.value))
            .collect();
        for (before, cte) in with.cte_tables.iter().enumerate() {
            self.bodies.push(Body {
                query: place(&*cte.query),
                with: place(query),
                sees: if with.recursive { names.len() } else { before },
            });
        }
        let visible = names.len();
        self.with.push(With {
            query: place(query),
            names,
            visible,
        });
    }

    fn enter_body(&mut self, query: Place) {
        if let Some(body) = self.bodies.iter().find(|body| body.query == query) {
            let (of, sees) = (body.with, body.sees);
            if let Some(with) = self.with.iter_mut().find(|with| with.query == of) {
                with.visible = sees;
            }
        }
    }

    fn leave_body(&mut self, query: Place) {
        if let Some(at) = self.bodies.iter().position(|body| body.query == query) {
            let body = self.bodies.swap_remove(at);
            if let Some(with) = self.with.iter_mut().find(|with| with.query == body.with) {
                with.visible = with.names.len();
            }
        }
    }

    /// Whether a WITH clause that can be seen from here defines the name.
    fn is_defined(&self, name: &str) -> bool {
        self.with
            .iter()
            .any(|with| with.names.iter().take(with.visible).any(|n| n == name))
    }

    fn function(&mut self, function: &Function) {
        match &function.args {
            FunctionArguments::List(list) => self.call(&function.name, &list.args),
            FunctionArguments::None | FunctionArguments::Subquery(_) => {
                self.call(&function.name, &[]);
            }
        }
    }

    fn call(&mut self, name: &ObjectName, arguments: &[FunctionArg]) {
        let parts: Vec<&str> = name.0.iter().filter_map(identifier).collect();
        let name_is_whole = parts.len() == name.0.len();
        let effect = match parts.as_slice() {
            ["set_config"] | ["pg_catalog", "set_config"] => return self.set_config(arguments),
            [name] if name_is_whole => functions::effect(None, name),
            [schema, name] if name_is_whole => functions::effect(Some(schema), name),
            _ => Effect::Unknown,
        };
        self.at_least(effect);
    }

    /// `set_config('name', 'value', ..)` is SET; with anything but constants it is unknown.
    fn set_config(&mut self, arguments: &[FunctionArg]) {
        let constants: Vec<&str> = arguments.iter().map_while(constant).take(2).collect();
        let [name, value] = constants.as_slice() else {
            self.analysed.changes_lexing = true;
            return self.at_least(Effect::Unknown);
        };
        settings::apply(settings::setting(name, Some(value)), self.analysed);
    }

    fn attribute(&mut self, name: &str) {
        if functions::may_be_call(name) {
            self.at_least(Effect::Unknown);
        }
    }

    fn operator(&mut self, operator: &BinaryOperator) {
        if let BinaryOperator::PGCustomBinaryOperator(parts) = operator
            && parts.len() > 1
            && parts.first().is_none_or(|schema| schema != "pg_catalog")
        {
            self.at_least(Effect::Unknown);
        }
    }
}

fn constant(argument: &FunctionArg) -> Option<&str> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = argument else {
        return None;
    };
    match &value.value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}
