//! The `mask` list, in the terms of the masking crate.

use sluice_masking::limits::MAX_KEEP_LAST;
use sluice_masking::{Detector, MaskRule, Masker, Strategy};

use crate::diagnostic::nearest;
use crate::keys;
use crate::limits::MAX_MASKS;
use crate::read::Reader;
use crate::read::fields::short;
use crate::rule::{Case, Mask};
use crate::yaml::{Node, Value};

/// Detectors that have no parameter.
pub(crate) const DETECTORS: [(&str, Detector); 8] = [
    ("email", Detector::Email),
    ("credit_card", Detector::CreditCard),
    ("iban", Detector::Iban),
    ("jwt", Detector::Jwt),
    ("private_key", Detector::PrivateKey),
    ("token", Detector::Token),
    ("assignment", Detector::Assignment),
    ("secret", Detector::Secret),
];

const STRATEGIES: &[(&str, Strategy)] = &[
    ("redact", Strategy::Redact),
    ("hash", Strategy::Hash),
    ("tokenise", Strategy::Tokenise),
];

impl Reader<'_> {
    pub(super) fn masks(&mut self, node: Option<&Node>) -> Vec<Mask> {
        let Some(node) = node else { return Vec::new() };
        let Value::List(items) = &node.value else {
            let fix = "a list: `- name: cards` and its keys";
            self.complaints
                .error_with_fix(node.span, "`mask` is a list of masks", fix);
            return Vec::new();
        };
        let items = self.bounded(node, items, MAX_MASKS, "masks");
        let masks: Vec<Mask> = items.iter().filter_map(|item| self.mask(item)).collect();
        self.no_same_names("mask", masks.iter().map(|m| (m.rule.name.as_str(), m.span)));
        masks
    }

    fn mask(&mut self, node: &Node) -> Option<Mask> {
        let fields = self.fields(node, &keys::MASK)?;
        let who = fields.find("who").map(|who| self.who(who));
        let what = fields
            .find("what")
            .map(|what| self.what(what))
            .unwrap_or_default();
        let detect = fields
            .find("detect")
            .map(|n| self.detectors(n))
            .unwrap_or_default();
        let texts = |this: &mut Self, key| -> Vec<String> {
            let texts = fields
                .find(key)
                .map(|node| this.texts(node))
                .unwrap_or_default();
            texts.into_iter().map(|(text, _)| text.to_owned()).collect()
        };
        let (columns, json_keys) = (texts(self, "column"), texts(self, "json_key"));
        if ["detect", "column", "json_key"]
            .iter()
            .all(|key| fields.find(key).is_none())
        {
            let fix = "add `detect: [secret]`, `column` or `json_key`";
            self.complaints
                .error_with_fix(node.span, "this mask looks for nothing", fix);
        }
        let strategy = fields
            .find("with")
            .map_or(Some(Strategy::Redact), |n| self.strategy(n))?;
        let name = self.name(fields.find("name")?)?;
        let span = fields.find("name").map_or(node.span, |name| name.span);
        let rule = MaskRule {
            name,
            detect,
            columns,
            json_keys,
            strategy,
        };
        self.compiles(&rule, node);
        Some(Mask {
            span,
            case: Case { who, what },
            rule,
        })
    }

    /// What a policy brings along must compile now, not when an answer waits to be masked. The
    /// detectors that are built in do, and take long.
    fn compiles(&mut self, rule: &MaskRule, node: &Node) {
        let custom = |detector: &&Detector| matches!(detector, Detector::Custom(_));
        let detect = rule.detect.iter().filter(custom).cloned().collect();
        let own = MaskRule {
            detect,
            ..rule.clone()
        };
        if own.detect.is_empty() && own.columns.is_empty() && own.json_keys.is_empty() {
            return;
        }
        if let Err(error) = Masker::compile(&[own], &[], &[0; 32]) {
            self.complaints.error(node.span, error.to_string());
        }
    }

    fn detectors(&mut self, node: &Node) -> Vec<Detector> {
        let values = self.values(node);
        values
            .iter()
            .filter_map(|value| self.detector(value))
            .collect()
    }

    fn detector(&mut self, node: &Node) -> Option<Detector> {
        if let Value::Map(entries) = &node.value {
            let [entry] = entries.as_slice() else {
                let fix = "one detector a list item: `- regex: \"...\"`";
                self.complaints
                    .error_with_fix(node.span, "this is no detector", fix);
                return None;
            };
            if entry.key != "regex" {
                let message = format!("`{}` is no detector with a value", short(&entry.key));
                self.complaints
                    .error_with_fix(entry.span, message, "only `regex` has one");
                return None;
            }
            return self
                .text(&entry.value)
                .map(|text| Detector::Custom(text.to_owned()));
        }
        let text = self.text(node)?;
        if let Some((_, detector)) = DETECTORS.iter().find(|(name, _)| *name == text) {
            return Some(detector.clone());
        }
        let names = || DETECTORS.iter().map(|(name, _)| *name);
        let fix = match nearest(text, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "one of: {}, or `regex: ...`",
                names().collect::<Vec<_>>().join(", ")
            ),
        };
        let message = format!("`{}` is no detector", short(text));
        self.complaints.error_with_fix(node.span, message, fix);
        None
    }

    fn strategy(&mut self, node: &Node) -> Option<Strategy> {
        if !matches!(node.value, Value::Map(_)) {
            return self.word(node, STRATEGIES);
        }
        let partial = self.fields(node, &keys::STRATEGY)?.find("partial")?;
        let keep = self.fields(partial, &keys::PARTIAL)?.find("keep_last")?;
        let keep_last = self.number(keep, 1, u64::from(MAX_KEEP_LAST))?;
        Some(Strategy::Partial {
            keep_last: u8::try_from(keep_last).ok()?,
        })
    }
}
