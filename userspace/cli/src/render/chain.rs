//! One-liners: a chain of processes, a place, an operation.

use std::sync::Arc;

use sluice_flow::session::OperationRecord;
use sluice_flow::summary::DestinationSummary;
use sluice_flow::{Exec, How, SessionSummary};

use crate::paper::{one_line, shortened};

/// The last part of a program's path.
pub(crate) fn program(exec: &Exec) -> String {
    one_line(exec.exe.rsplit('/').next().unwrap_or(&exec.exe))
}

/// The program that opened a session.
pub(crate) fn process(session: &SessionSummary) -> String {
    session
        .lineage
        .last()
        .map_or_else(|| "unknown".to_owned(), |exec| program(exec))
}

/// `sh → make → psql`. A process that was forked and executed nothing is its parent's image
/// once more and says nothing, unless it is the one that acted.
pub(crate) fn programs(lineage: &[Arc<Exec>]) -> String {
    let last = lineage.len().saturating_sub(1);
    let said = lineage
        .iter()
        .enumerate()
        .filter(|(n, exec)| exec.how != How::Fork || *n == last);
    let names: Vec<String> = said
        .map(|(_, exec)| match exec.how {
            How::Fork => format!("{} (fork)", program(exec)),
            How::Root | How::Exec | How::Found => program(exec),
        })
        .collect();
    names.join(" → ")
}

/// The command line, arguments quoted where a shell would need it.
pub(crate) fn command_line(exec: &Exec) -> String {
    let arguments: Vec<String> = exec.argv.iter().map(|argument| quoted(argument)).collect();
    one_line(&arguments.join(" "))
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// `db.example.com:5432`, `192.0.2.1:80`, `[2001:db8::1]:80`.
pub(crate) fn place(to: Option<&DestinationSummary>) -> String {
    let Some(to) = to else {
        return "unknown".to_owned();
    };
    match &to.host {
        Some(host) => format!("{}:{}", one_line(host), to.port),
        None => std::net::SocketAddr::new(to.ip, to.port).to_string(),
    }
}

/// What was asked for, in one line of at most `most` characters.
pub(crate) fn operation_line(operation: &OperationRecord, most: usize) -> String {
    shortened(&operation_text(operation).replace(['\n', '\r'], " "), most)
}

/// What was asked for, as it was recorded: for SQL the statement with its lines.
pub(crate) fn operation_text(operation: &OperationRecord) -> String {
    let text = match operation.protocol.as_str() {
        "http" => http(operation),
        "dns" => dns(operation),
        "opaque" => operation
            .looks_like
            .as_ref()
            .map(|what| format!("a stream that looks like {what}")),
        _ => operation.statement.clone(),
    };
    text.unwrap_or_else(|| "(not recorded)".to_owned())
}

fn http(operation: &OperationRecord) -> Option<String> {
    let mut line = format!(
        "{} {}",
        operation.method.as_ref()?,
        operation.path.as_ref()?
    );
    if let Some(query) = &operation.query {
        line.push('?');
        line.push_str(query);
    }
    if let Some(protocol) = &operation.upgrade {
        line.push_str(" upgrade to ");
        line.push_str(protocol);
    }
    Some(line)
}

fn dns(operation: &OperationRecord) -> Option<String> {
    let r#type = operation.r#type.as_ref()?;
    Some(format!("{} {}", r#type, operation.name.as_ref()?))
}
