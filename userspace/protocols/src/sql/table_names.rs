//! Names of tables as they are reported.

use sqlparser::ast::{Expr, ObjectName, ObjectNamePart};

/// The name that a part of a longer one is.
pub(crate) fn identifier(part: &ObjectNamePart) -> Option<&str> {
    match part {
        ObjectNamePart::Identifier(name) => Some(name.value.as_str()),
        ObjectNamePart::Function(_) => None,
    }
}

/// One part of a name, quoted where it would read as several.
pub(crate) fn part(name: &str) -> String {
    if name.contains(['.', '"']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

/// `schema.table`; the database in front of it, which must be the session's, is left out.
pub(crate) fn table_name(name: &ObjectName) -> Option<String> {
    let parts: Vec<String> = name.0.iter().filter_map(identifier).map(part).collect();
    match (parts.as_slice(), name.0.len()) {
        ([table], 1) => Some(table.clone()),
        ([schema, table], 2) | ([_, schema, table], 3) => Some(format!("{schema}.{table}")),
        _ => None,
    }
}

/// The table that an expression names, as in SELECT INTO.
pub(crate) fn expression_name(target: &Expr) -> Option<String> {
    match target {
        Expr::Identifier(name) => Some(part(&name.value)),
        Expr::CompoundIdentifier(parts) => {
            let names: Vec<String> = parts.iter().map(|name| part(&name.value)).collect();
            Some(names.join("."))
        }
        _ => None,
    }
}
