//! A policy file.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sluice_flow::verdict::Payload;

use crate::diagnostic::{Complaints, Diagnostic, SourceText};
use crate::glob::{Glob, Parts};
use crate::keys;
use crate::limits::{MAX_KEEP_DAYS, MAX_RULES};
use crate::read::Reader;
use crate::read::fields::{UserLookup, short};
use crate::read::rule::{MODES, PAYLOADS};
use crate::rule::{AppliesTo, Layer, Mode, Policy, Rank, Rule};
use crate::yaml::{self, Node, Value};

/// Reads one policy.
///
/// # Errors
/// All that is wrong with the text, in the order in which it was found.
pub(crate) fn read_policy(
    layer: Layer,
    source: Arc<SourceText>,
    users: UserLookup<'_>,
) -> Result<Policy, Vec<Diagnostic>> {
    let mut complaints = Complaints::new(Arc::clone(&source));
    let Some(node) = yaml::read(&mut complaints) else {
        return Err(complaints.errors);
    };
    let mut reader = Reader { complaints, users };
    match reader.policy(&node, layer, source) {
        Some(policy) if reader.complaints.errors.is_empty() => Ok(policy),
        Some(_) | None => Err(reader.complaints.errors),
    }
}

impl Reader<'_> {
    fn policy(&mut self, node: &Node, layer: Layer, source: Arc<SourceText>) -> Option<Policy> {
        let fields = self.fields(node, &keys::POLICY)?;
        if let Some(version) = fields.find("version") {
            self.version(version);
        }
        let name = fields.find("name").and_then(|name| self.name(name));
        let applies_to = fields
            .find("applies_to")
            .map(|n| self.applies_to(n))
            .unwrap_or_default();
        let mode = fields.find("mode").and_then(|mode| self.word(mode, MODES));
        let mode = mode.unwrap_or(Mode::Enforce);
        let default = fields
            .find("default")
            .and_then(|node| self.word(node, &[("deny", Rank::Deny), ("allow", Rank::Allow)]));
        let rules = fields
            .find("rules")
            .map(|rules| self.rules(rules, mode))
            .unwrap_or_default();
        let masks = self.masks(fields.find("mask"));
        let (payload, keep) = fields
            .find("record")
            .map(|n| self.record(n))
            .unwrap_or_default();
        let rules = rules.into_iter().map(Arc::new).collect();
        Some(Policy {
            layer,
            name: name?,
            name_span: fields.find("name").map_or(node.span, |name| name.span),
            digest: digest(&source.text),
            source,
            applies_to,
            mode,
            default: default.unwrap_or(Rank::Deny),
            default_span: fields.place("default"),
            rules,
            masks,
            payload,
            keep,
        })
    }

    fn version(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar {
                text,
                quoted: false,
            } if text == "1" => {}
            Value::Scalar { text, .. } => {
                let message = format!("version {} of the language is not known", short(text));
                self.complaints
                    .error_with_fix(node.span, message, "write `version: 1`");
            }
            Value::List(_) | Value::Map(_) => {
                let message = format!("`version` is a number, not {}", node.kind());
                self.complaints
                    .error_with_fix(node.span, message, "write `version: 1`");
            }
        }
    }

    fn applies_to(&mut self, node: &Node) -> AppliesTo {
        let Some(fields) = self.fields(node, &keys::APPLIES_TO) else {
            return AppliesTo::default();
        };
        if fields.is_empty() {
            let fix = "leave `applies_to` out: a policy without it is for every job";
            self.complaints
                .error_with_fix(node.span, "`applies_to` names no job", fix);
        }
        let mut labels: Vec<(String, Vec<Glob>)> = Vec::new();
        for key in ["repository", "ref", "job"] {
            if let Some(node) = fields.find(key) {
                labels.push((key.to_owned(), self.globs(Some(node), Parts::Path)));
            }
        }
        labels.extend(self.named_globs(fields.find("labels"), Parts::Path));
        AppliesTo {
            pipeline: self.globs(fields.find("pipeline"), Parts::Path),
            labels,
        }
    }

    fn rules(&mut self, node: &Node, mode: Mode) -> Vec<Rule> {
        let Value::List(items) = &node.value else {
            let message = format!("`rules` is a list, not {}", node.kind());
            let fix = "each rule starts with `- name:`";
            self.complaints.error_with_fix(node.span, message, fix);
            return Vec::new();
        };
        let items = self.bounded(node, items, MAX_RULES, "rules");
        let rules: Vec<Rule> = items
            .iter()
            .filter_map(|item| self.rule(item, mode))
            .collect();
        self.no_same_names(
            "rule",
            rules.iter().map(|rule| (rule.name.as_str(), rule.span)),
        );
        rules
    }

    fn record(&mut self, node: &Node) -> (Option<Payload>, Option<Duration>) {
        let Some(fields) = self.fields(node, &keys::RECORD) else {
            return (None, None);
        };
        let most = Duration::from_secs(MAX_KEEP_DAYS * 24 * 60 * 60);
        (
            fields
                .find("payload")
                .and_then(|payload| self.word(payload, PAYLOADS)),
            fields
                .find("keep")
                .and_then(|keep| self.duration(keep, most)),
        )
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
