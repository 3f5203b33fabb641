//! Counts of what was masked, for records and metrics: never what it was.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What found a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detected {
    /// An e-mail address.
    Email,
    /// A payment card number.
    CreditCard,
    /// An IBAN.
    Iban,
    /// A JSON Web Token.
    Jwt,
    /// A PEM private key.
    PrivateKey,
    /// A token of a cloud, forge or service.
    Token,
    /// A high-entropy value with a telling name.
    Assignment,
    /// A secret that the job was given.
    Secret,
    /// A rule's own expression.
    Custom,
    /// A column that a rule names.
    Column,
    /// A JSON key that a rule names.
    JsonKey,
}

impl Detected {
    /// The name in masks, records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::Token => "token",
            Self::Assignment => "assignment",
            Self::Secret => "secret",
            Self::Custom => "custom",
            Self::Column => "column",
            Self::JsonKey => "json_key",
        }
    }
}

/// How often each rule masked what. Its size is bounded by rules times detectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    counts: BTreeMap<(Detected, String), u64>,
}

impl Hits {
    /// No hit yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one hit of a rule.
    pub fn add(&mut self, detected: Detected, rule: &str) {
        self.add_many(detected, rule, 1);
    }

    /// Takes over the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (detected, rule, count) in other.iter() {
            self.add_many(detected, rule, count);
        }
    }

    /// Each detector and rule with its count, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (Detected, &str, u64)> {
        self.counts
            .iter()
            .map(|((detected, rule), count)| (*detected, rule.as_str(), *count))
    }

    /// Hits of all rules.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Hits of one detector over all rules.
    #[must_use]
    pub fn of(&self, detected: Detected) -> u64 {
        self.iter()
            .filter(|(by, _, _)| *by == detected)
            .map(|(_, _, count)| count)
            .sum()
    }

    /// Nothing was masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add_many(&mut self, detected: Detected, rule: &str, count: u64) {
        let total = self.counts.entry((detected, rule.to_owned())).or_default();
        *total = total.saturating_add(count);
    }
}
