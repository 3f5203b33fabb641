//! The JSON Schema of a policy (draft 2020-12), from the table of the language.

use serde_json::{Map, Value, json};

use crate::keys::{Block, Key, POLICY, STRATEGY, Shape};
use crate::limits::{MAX_GLOB_BYTES, MAX_LIST, MAX_MESSAGE_BYTES, MAX_NAME_BYTES};
use crate::read::{DETECTORS, STATUSES};

/// The schema that editors complete policies with.
#[must_use]
pub fn schema() -> Value {
    let mut schema = block(&POLICY);
    if let Some(members) = schema.as_object_mut() {
        members.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        members.insert("title".into(), "sluice policy, version 1".into());
    }
    schema
}

fn block(block: &Block) -> Value {
    let required: Vec<&str> = block
        .keys
        .iter()
        .filter(|k| k.required)
        .map(|k| k.name)
        .collect();
    let properties: Map<String, Value> = block
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Some(members), false) = (schema.as_object_mut(), required.is_empty()) {
        members.insert("required".into(), required.into());
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = shape(key.shape);
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".into(), key.about.into());
    }
    schema
}

fn shape(of: Shape) -> Value {
    let text = || json!({ "type": "string", "minLength": 1 });
    let glob = || json!({ "type": "string", "minLength": 1, "maxLength": MAX_GLOB_BYTES });
    match of {
        Shape::Text => json!({ "type": "string", "maxLength": MAX_MESSAGE_BYTES }),
        Shape::Name => json!({
            "type": "string",
            "pattern": format!("^[A-Za-z0-9._-]{{1,{MAX_NAME_BYTES}}}$"),
            "not": { "const": "default" },
        }),
        Shape::Globs | Shape::Sequence => one_or_more(&glob()),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Words(words) => one_or_more(&json!({ "enum": words })),
        Shape::Texts => one_or_more(&text()),
        Shape::Ports => one_or_more(&json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u16::MAX },
            { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" },
        ] })),
        Shape::Statuses => one_or_more(&json!({ "anyOf": [
            { "type": "integer", "minimum": STATUSES.start(), "maximum": STATUSES.end() },
            { "type": "string", "pattern": "^[1-5]xx$" },
        ] })),
        Shape::Users => one_or_more(&json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            text(),
        ] })),
        Shape::Number => json!({ "type": "integer", "minimum": 1 }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Duration => json!({ "type": "string", "pattern": "^[0-9]+[smhd]$" }),
        Shape::Version => json!({ "const": 1 }),
        Shape::Headers => {
            json!({ "type": "object", "additionalProperties": one_or_more(&glob()) })
        }
        Shape::Block(inner) => block(inner),
        Shape::BlockOrBlocks(inner) => one_or_more(&block(inner)),
        Shape::Blocks(inner) => json!({ "type": "array", "items": block(inner) }),
        Shape::OneOf(shapes) => {
            json!({ "anyOf": shapes.iter().map(|s| shape(*s)).collect::<Vec<_>>() })
        }
        Shape::Detectors => one_or_more(&detector()),
        Shape::Strategy => {
            json!({ "anyOf": [{ "enum": ["redact", "hash", "tokenise"] }, block(&STRATEGY)] })
        }
    }
}

fn detector() -> Value {
    let names: Vec<&str> = DETECTORS.iter().map(|(name, _)| *name).collect();
    json!({ "anyOf": [{ "enum": names }, {
        "type": "object",
        "additionalProperties": false,
        "required": ["regex"],
        "properties": { "regex": { "type": "string", "minLength": 1 } },
    }] })
}

fn one_or_more(item: &Value) -> Value {
    let list = json!({ "type": "array", "minItems": 1, "maxItems": MAX_LIST, "items": item });
    json!({ "anyOf": [item, list] })
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
