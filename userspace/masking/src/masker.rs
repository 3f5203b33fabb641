//! Compiling the rules of a job into a masker, and masking whole values.

use crate::error::MaskError;
use crate::find::{Announced, Finder, Frontier};
use crate::gate::Gate;
use crate::hits::{Detected, Hits};
use crate::limits;
use crate::paint::{Painter, Writer, order};
use crate::replace::{Cover, HostKey, Identity};
use crate::spec::{Detector, MaskRule, Strategy};
use crate::stream::{Format, StreamMasker};
use crate::{detect, rules, secrets};
use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::RegexBuilder;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The rule name under which known secrets are counted when no rule detects `secret`.
const KNOWN_SECRETS: &str = "known-secrets";

/// What a job's masks do; cheap to clone, shared by all its flows.
#[derive(Clone)]
pub struct Masker(pub(crate) Arc<Compiled>);

/// Whether and how a column is masked whole; resolved once a result set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnMask(Option<Identity>);

impl ColumnMask {
    /// No rule names the column: its values are still looked at by the detectors.
    #[must_use]
    pub fn is_named(self) -> bool {
        self.0.is_some()
    }
}

pub(crate) struct Compiled {
    names: Vec<String>,
    pub(crate) finder: Finder,
    columns: Vec<(ColumnGlob, Identity)>,
    json_keys: Vec<(GlobMatcher, Identity)>,
    pub(crate) key: HostKey,
}

/// A column pattern: its parts, the last one first.
struct ColumnGlob(Vec<Option<GlobMatcher>>);

impl Masker {
    /// Compiles the mask rules of all layers that apply to a job, and the secrets that the job
    /// was given. `key` is the host's: pseudonyms of two hosts cannot be compared.
    ///
    /// Known secrets are always masked, by the strategy of the strictest rule that detects
    /// `secret`, else redacted.
    ///
    /// # Errors
    /// [`MaskError`] names the first rule, pattern or secret (by place) that is refused.
    pub fn compile(
        rules: &[MaskRule],
        known_secrets: &[String],
        key: &[u8; 32],
    ) -> Result<Self, MaskError> {
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
        let (columns, json_keys) = (plan.columns, plan.json_keys);
        let key = HostKey::new(key);
        Ok(Self(Arc::new(Compiled {
            names,
            finder,
            columns,
            json_keys,
            key,
        })))
    }

    /// Nothing is ever masked: bytes can pass by without a look.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.finder.is_empty() && self.0.columns.is_empty() && self.0.json_keys.is_empty()
    }

    /// Whether a rule names the column; `name` is as much of `schema.table.column` as is known.
    #[must_use]
    pub fn column(&self, name: &str) -> ColumnMask {
        let matching = self.0.columns.iter().filter(|(glob, _)| glob.matches(name));
        ColumnMask(strictest(matching.map(|(_, identity)| *identity)))
    }

    /// Masks a value of a column that was resolved before. `None`: unchanged.
    #[must_use]
    pub fn mask_column(
        &self,
        column: ColumnMask,
        value: &[u8],
        hits: &mut Hits,
    ) -> Option<Vec<u8>> {
        let Some(identity) = column.0 else {
            return self.mask_bytes(value, hits);
        };
        if value.is_empty() {
            return None;
        }
        let mut cover = Cover::new(identity, &self.0.key);
        cover.absorb(value);
        let mut masked = Vec::new();
        cover.finish(&mut masked);
        hits.add(identity.detected, self.0.rule_name(identity.rule));
        Some(masked)
    }

    /// Masks one value: whole when a rule names its column, else what the detectors find in it.
    /// `None`: unchanged.
    #[must_use]
    pub fn mask_field(
        &self,
        column: Option<&str>,
        value: &[u8],
        hits: &mut Hits,
    ) -> Option<Vec<u8>> {
        let column = column.map_or(ColumnMask(None), |name| self.column(name));
        self.mask_column(column, value, hits)
    }

    /// Masks what the detectors find in bytes of any kind. `None`: unchanged.
    #[must_use]
    pub fn mask_bytes(&self, value: &[u8], hits: &mut Hits) -> Option<Vec<u8>> {
        let view = detect::View {
            bytes: value,
            complete: true,
        };
        let mut spans = Vec::new();
        self.0
            .finder
            .scan(&view, &mut Frontier::default(), &mut spans);
        if spans.is_empty() {
            return None;
        }
        spans.sort_unstable_by_key(order);
        let mut out = Vec::with_capacity(value.len());
        let mut painter = Painter::new(Writer::Text(None));
        painter.paint(&self.0, value, &spans, &mut out, hits);
        painter.finish(&self.0, &mut out);
        Some(out)
    }

    /// Masks what the detectors find in a text: an argument, a statement, a header, an error.
    #[must_use]
    pub fn mask_text<'t>(&self, text: &'t str, hits: &mut Hits) -> Cow<'t, str> {
        match self.mask_bytes(text.as_bytes(), hits) {
            None => Cow::Borrowed(text),
            // Hits lie on character borders; a custom `(?-u)` expression may differ.
            Some(masked) => Cow::Owned(match String::from_utf8(masked) {
                Ok(masked) => masked,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            }),
        }
    }

    /// Masks a whole JSON text so that it stays JSON. `None`: unchanged.
    #[must_use]
    pub fn mask_json(&self, text: &[u8], hits: &mut Hits) -> Option<Vec<u8>> {
        let mut stream = self.stream(Format::Json);
        let mut out = Vec::with_capacity(text.len());
        stream.push(text, &mut out);
        stream.finish(&mut out);
        hits.merge(stream.hits());
        (out != text).then_some(out)
    }

    /// A masker for one stream.
    #[must_use]
    pub fn stream(&self, format: Format) -> StreamMasker {
        StreamMasker::new(Arc::clone(&self.0), format)
    }
}

impl Compiled {
    pub(crate) fn rule_name(&self, rule: u16) -> &str {
        self.names
            .get(usize::from(rule))
            .map_or(KNOWN_SECRETS, String::as_str)
    }

    /// Who masks the value of a JSON key.
    pub(crate) fn json_key(&self, key: &str) -> Option<Identity> {
        let matching = self.json_keys.iter().filter(|(glob, _)| glob.is_match(key));
        strictest(matching.map(|(_, identity)| *identity))
    }

    /// Who masks values whose key or place cannot be told: any rule that names keys.
    pub(crate) fn any_json_key(&self) -> Option<Identity> {
        strictest(self.json_keys.iter().map(|(_, identity)| *identity))
    }
}

impl ColumnGlob {
    fn compile(rule: &str, pattern: &str) -> Result<Self, MaskError> {
        let parts = pattern.rsplit('.').map(|part| match part {
            "**" => Ok(None),
            part => compile_glob(rule, part).map(Some),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }

    /// Compares from the right. Parts that only one side has cannot be compared and count as
    /// equal: a column whose table is not known is masked rather than missed.
    fn matches(&self, name: &str) -> bool {
        let pairs = self.0.iter().zip(name.rsplit('.'));
        let named = pairs.take_while(|(glob, _)| glob.is_some());
        let mut compared = named.filter_map(|(glob, part)| glob.as_ref().map(|g| g.is_match(part)));
        compared.all(|equal| equal)
    }
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
fn strictest(identities: impl Iterator<Item = Identity>) -> Option<Identity> {
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

fn compile_glob(rule: &str, pattern: &str) -> Result<GlobMatcher, MaskError> {
    let refused = |reason: String| MaskError::BadGlob {
        rule: rule.to_owned(),
        pattern: pattern.to_owned(),
        reason,
    };
    if pattern.is_empty() || pattern.len() > limits::MAX_GLOB {
        return Err(refused(format!(
            "a part of 1 to {} bytes is needed",
            limits::MAX_GLOB
        )));
    }
    let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests;
