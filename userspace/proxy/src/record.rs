//! An operation as the record keeps it: masked, bounded, with a digest of what it really was.

use sluice_flow::session::{OperationRecord, operation_digest};
use sluice_flow::verdict::Payload;
use sluice_flow::{HttpBody, Operation, SqlMessage, Statement};
use sluice_masking::{Hits, Masker};

use crate::job::RunningJob;
use crate::limits::MAX_RECORDED_TEXT;

/// The record of `operation`, whose answer is masked with `masker`. With [`Payload::None`] only protocol, digest and effect.
pub(crate) fn operation_record(
    operation: &Operation,
    job: &RunningJob,
    masker: Option<&Masker>,
    payload: Payload,
) -> OperationRecord {
    let bare = OperationRecord {
        protocol: operation.protocol().to_owned(),
        digest: operation_digest(operation),
        ..OperationRecord::default()
    };
    if payload == Payload::None {
        let effect = match operation {
            Operation::Postgres(message) => Some(message.effect()),
            Operation::Http(_) | Operation::Dns(_) | Operation::Opaque(_) => None,
        };
        return OperationRecord { effect, ..bare };
    }
    // Secrets always, and what the policy masks in the answer as well.
    let text = |text: &str| {
        let masked = job.masked_text(text);
        bounded(match masker {
            Some(masker) => masker.mask_text(&masked, &mut Hits::new()).into_owned(),
            None => masked,
        })
    };
    match operation {
        Operation::Http(request) => OperationRecord {
            body_bytes: held_body(&request.body).map(|(bytes, _)| bytes),
            body_sha256: held_body(&request.body).map(|(_, sha256)| sha256.to_owned()),
            method: Some(text(&request.method)),
            path: Some(text(&request.path)),
            query: request.query.as_deref().map(text),
            host: request.host.as_deref().map(text),
            upgrade: request.upgrade.as_deref().map(text),
            ..bare
        },
        Operation::Postgres(message) => sql_record(message, bare, text),
        Operation::Dns(question) => OperationRecord {
            name: Some(text(&question.name)),
            r#type: Some(question.r#type.clone()),
            ..bare
        },
        Operation::Opaque(stream) => OperationRecord {
            looks_like: Some(stream.looks_like.clone()),
            ..bare
        },
    }
}

/// Bytes and digest of a body that people are asked about.
fn held_body(body: &HttpBody) -> Option<(u64, &str)> {
    match body {
        HttpBody::Held { bytes, sha256 } => Some((*bytes, sha256)),
        HttpBody::None | HttpBody::Unread | HttpBody::TooLarge { .. } => None,
    }
}

fn sql_record(
    message: &SqlMessage,
    bare: OperationRecord,
    text: impl Fn(&str) -> String,
) -> OperationRecord {
    let mut tables: Vec<String> = Vec::new();
    for table in message
        .statements
        .iter()
        .flat_map(|s| s.reads.iter().chain(&s.writes))
    {
        if !tables.contains(table) {
            tables.push(table.clone());
        }
    }
    let without_text = |s: &Statement| Statement {
        text: String::new(),
        ..s.clone()
    };
    OperationRecord {
        statement: Some(text(&message.text())),
        effect: Some(message.effect()),
        tables: Some(tables),
        statements: message.statements.iter().map(without_text).collect(),
        via: Some(message.via.clone()),
        database: Some(text(&message.database)),
        user: Some(text(&message.user)),
        ..bare
    }
}

/// At most [`MAX_RECORDED_TEXT`] characters, and a note of how much was left out.
fn bounded(text: String) -> String {
    match text.char_indices().nth(MAX_RECORDED_TEXT) {
        None => text,
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept} [... {} bytes more]", text.len().saturating_sub(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_at_the_limit_is_whole_and_one_over_says_what_is_missing() {
        let at = "x".repeat(MAX_RECORDED_TEXT);
        assert_eq!(bounded(at.clone()), at);
        assert_eq!(
            bounded(format!("{at}y")),
            format!("{at} [... 1 bytes more]")
        );
    }
}
