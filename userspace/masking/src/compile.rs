//! Compiling: checks the rules of a job and sorts them by what they need.

use crate::column::{ColumnGlob, compile_glob};
use crate::detect;
use crate::error::MaskError;
use crate::find::{Announced, Finder};
use crate::gate::Gate;
use crate::hits::Detected;
use crate::limits;
use crate::masker::Compiled;
use crate::replace::{HostKey, Identity};
use crate::spec::{Detector, MaskRule, Strategy};
use crate::{rules, secrets};
use globset::GlobMatcher;
use regex::bytes::RegexBuilder;
use std::collections::HashMap;
use std::sync::Arc;

/// The rule name under which known secrets are counted when no rule detects `secret`.
pub(crate) const KNOWN_SECRETS: &str = "known-secrets";

/// See [`crate::Masker::compile`].
pub(crate) fn compile(
    rules: &[MaskRule],
    known_secrets: &[String],
    key: &[u8; 32],
) -> Result<Compiled, MaskError> {
    check_counts(rules, known_secrets)?;
    let mut plan = Plan::default();
    for (index, rule) in rules.iter().enumerate() {
        plan.add(index, rule)?;
    }
    let mut names: Vec<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    names.push(KNOWN_SECRETS.to_owned());
    let known = plan.known(place(rules.len()));
    let mut finder = plan.finder();
    for (index, secret) in known_secrets.iter().enumerate() {
        check_secret(index, secret)?;
        for form in secrets::forms(secret) {
            finder
                .gate
                .add(&form, false, (Announced::Known, form.len(), known));
        }
    }
    let assignment = plan.built_in.get(&Detected::Assignment).copied();
    let (columns, json_keys) = (plan.columns, plan.json_keys);
    Ok(Compiled {
        names,
        finder,
        columns,
        json_keys,
        assignment,
        key: HostKey::new(key),
    })
}

/// The rules, sorted by what they need.
#[derive(Default)]
struct Plan {
    built_in: HashMap<Detected, Identity>,
    custom: Vec<(regex::bytes::Regex, Identity)>,
    columns: Vec<(ColumnGlob, Identity)>,
    json_keys: Vec<(GlobMatcher, Identity)>,
}

impl Plan {
    fn add(&mut self, index: usize, rule: &MaskRule) -> Result<(), MaskError> {
        check_rule(index, rule)?;
        let identity = |detected| Identity {
            detected,
            rule: place(index),
            strategy: rule.strategy,
        };
        for detector in &rule.detect {
            for detected in built_in(detector) {
                let known = self.built_in.get(detected).copied();
                let best = strictest(known.into_iter().chain([identity(*detected)]));
                self.built_in.extend(best.map(|best| (*detected, best)));
            }
            if let Detector::Custom(pattern) = detector {
                let regex = compile_regex(&rule.name, pattern)?;
                self.custom.push((regex, identity(Detected::Custom)));
            }
        }
        for pattern in &rule.columns {
            let glob = ColumnGlob::compile(&rule.name, pattern)?;
            self.columns.push((glob, identity(Detected::Column)));
        }
        for pattern in &rule.json_keys {
            let glob = compile_glob(&rule.name, pattern)?;
            self.json_keys.push((glob, identity(Detected::JsonKey)));
        }
        if self.custom.len() > limits::MAX_CUSTOM_REGEXES {
            return Err(MaskError::TooManyRegexes {
                count: self.custom.len(),
            });
        }
        Ok(())
    }

    /// Who masks known secrets: the rule that detects `secret`, else nobody's rule.
    fn known(&self, rule: u16) -> Identity {
        let nobody = Identity {
            detected: Detected::Secret,
            rule,
            strategy: Strategy::Redact,
        };
        self.built_in
            .get(&Detected::Secret)
            .copied()
            .unwrap_or(nobody)
    }

    fn finder(&mut self) -> Finder {
        let identity = |detected| self.built_in.get(&detected).copied();
        let mut gate = Gate::new();
        if let Some(identity) = identity(Detected::Token) {
            for rule in rules::tokens() {
                for keyword in &rule.keywords {
                    let announced = Announced::Token(Arc::clone(rule));
                    gate.add(
                        keyword.as_bytes(),
                        true,
                        (announced, keyword.len(), identity),
                    );
                }
            }
        }
        if let Some(identity) = identity(Detected::Assignment) {
            let plain = detect::assignment::NAMES.iter().map(|name| (name, false));
            let strong = detect::assignment::PASSWORD_NAMES
                .iter()
                .map(|name| (name, true));
            for (name, password) in plain.chain(strong) {
                let announced = Announced::Name { password };
                gate.add(name.as_bytes(), true, (announced, name.len(), identity));
            }
            gate.add(b"://", false, (Announced::Url, 3, identity));
        }
        if let Some(identity) = identity(Detected::Jwt) {
            gate.add(b"eyJ", false, (Announced::Jwt, 3, identity));
        }
        if let Some(identity) = identity(Detected::PrivateKey) {
            let (begin, encoded) = (detect::pem::BEGIN, detect::pem::ENCODED_BEGIN);
            gate.add(begin, false, (Announced::Pem, begin.len(), identity));
            gate.add(
                encoded,
                false,
                (Announced::EncodedPem, encoded.len(), identity),
            );
        }
        Finder {
            gate,
            email: identity(Detected::Email),
            card: identity(Detected::CreditCard),
            iban: identity(Detected::Iban),
            custom: std::mem::take(&mut self.custom),
        }
    }
}

/// The built-in detectors that a detector of a rule stands for.
fn built_in(detector: &Detector) -> &'static [Detected] {
    match detector {
        Detector::Email => &[Detected::Email],
        Detector::CreditCard => &[Detected::CreditCard],
        Detector::Iban => &[Detected::Iban],
        Detector::Jwt => &[Detected::Jwt],
        Detector::PrivateKey => &[Detected::PrivateKey],
        Detector::Token => &[Detected::Token],
        Detector::Assignment => &[Detected::Assignment],
        Detector::Secret => &[
            Detected::Secret,
            Detected::Token,
            Detected::PrivateKey,
            Detected::Jwt,
            Detected::Assignment,
        ],
        Detector::Custom(_) => &[],
    }
}

/// The strictest, and of equals the first.
pub(crate) fn strictest(identities: impl Iterator<Item = Identity>) -> Option<Identity> {
    identities.reduce(|best, next| {
        if next.strategy.strictness() > best.strategy.strictness() {
            next
        } else {
            best
        }
    })
}

/// The rule's place; [`limits::MAX_RULES`] fits.
fn place(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn check_counts(rules: &[MaskRule], known_secrets: &[String]) -> Result<(), MaskError> {
    if rules.len() > limits::MAX_RULES {
        return Err(MaskError::TooManyRules { count: rules.len() });
    }
    if known_secrets.len() > limits::MAX_SECRETS {
        return Err(MaskError::TooManySecrets {
            count: known_secrets.len(),
        });
    }
    Ok(())
}

fn check_rule(index: usize, rule: &MaskRule) -> Result<(), MaskError> {
    if rule.name.is_empty() || rule.name.len() > limits::MAX_RULE_NAME {
        return Err(MaskError::RuleName { index });
    }
    let name = || rule.name.clone();
    let lists = [
        ("detect", rule.detect.len()),
        ("column", rule.columns.len()),
        ("json_key", rule.json_keys.len()),
    ];
    if lists.iter().all(|(_, count)| *count == 0) {
        return Err(MaskError::EmptyRule { rule: name() });
    }
    for (list, count) in lists {
        if count > limits::MAX_ENTRIES_A_RULE {
            return Err(MaskError::TooManyEntries {
                rule: name(),
                list,
                count,
            });
        }
    }
    match rule.strategy {
        Strategy::Partial { keep_last } if !(1..=limits::MAX_KEEP_LAST).contains(&keep_last) => {
            Err(MaskError::KeepLast {
                rule: name(),
                keep_last,
            })
        }
        Strategy::Partial { .. } | Strategy::Redact | Strategy::Hash | Strategy::Tokenise => Ok(()),
    }
}

fn check_secret(index: usize, secret: &str) -> Result<(), MaskError> {
    let length = secret.len();
    if length < limits::MIN_SECRET {
        return Err(MaskError::SecretTooShort { index, length });
    }
    if length > limits::MAX_SECRET {
        return Err(MaskError::SecretTooLong { index, length });
    }
    Ok(())
}

fn compile_regex(rule: &str, pattern: &str) -> Result<regex::bytes::Regex, MaskError> {
    if pattern.is_empty() || pattern.len() > limits::MAX_CUSTOM_REGEX {
        return Err(MaskError::RegexLength {
            rule: rule.to_owned(),
            length: pattern.len(),
        });
    }
    let built = RegexBuilder::new(pattern)
        .size_limit(limits::MAX_CUSTOM_REGEX_SIZE)
        .build();
    built.map_err(|error| MaskError::BadRegex {
        rule: rule.to_owned(),
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    })
}
