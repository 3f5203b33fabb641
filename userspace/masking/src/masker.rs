//! The masker of a job, and masking whole values with it.

use crate::column::ColumnGlob;
use crate::command_line;
use crate::compile::{KNOWN_SECRETS, compile, strictest};
use crate::detect;
use crate::error::MaskError;
use crate::find::{Finder, Frontier};
use crate::hits::Hits;
use crate::paint::{Painter, Writer, order};
use crate::replace::{Cover, HostKey, Identity};
use crate::spec::MaskRule;
use crate::stream::{Format, StreamMasker};
use globset::GlobMatcher;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

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
    pub(crate) names: Vec<String>,
    pub(crate) finder: Finder,
    pub(crate) columns: Vec<(ColumnGlob, Identity)>,
    pub(crate) json_keys: Vec<(GlobMatcher, Identity)>,
    /// Who masks what is assigned to a telling name.
    pub(crate) assignment: Option<Identity>,
    pub(crate) key: HostKey,
}

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
        Ok(Self(Arc::new(compile(rules, known_secrets, key)?)))
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
        match column.0 {
            None => self.mask_bytes(value, hits),
            Some(_) if value.is_empty() => None,
            Some(identity) => Some(self.0.mask_whole(identity, value, hits)),
        }
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

    /// Masks the arguments of a command. Where assignments are detected, so is what options,
    /// variables, headers and URLs say is a secret, however simple it is (`-psecret` of mysql,
    /// `PGPASSWORD=x`, `--password x`, `user:x@host`).
    #[must_use]
    pub fn mask_argv(&self, argv: &[String], hits: &mut Hits) -> Vec<String> {
        let Some(identity) = self.0.assignment else {
            let masked = argv.iter().map(|text| self.mask_text(text, hits));
            return masked.map(Cow::into_owned).collect();
        };
        let secrets = command_line::secrets(argv);
        let masked = argv.iter().zip(secrets).map(|(argument, secrets)| {
            let mut masked = String::new();
            let mut at = 0;
            for Range { start, end } in secrets {
                let before = argument.get(at..start).unwrap_or_default();
                masked.push_str(&self.mask_text(before, hits));
                let secret = argument.get(start..end).unwrap_or_default();
                let mask = self.0.mask_whole(identity, secret.as_bytes(), hits);
                masked.push_str(&String::from_utf8_lossy(&mask));
                at = end;
            }
            let rest = argument.get(at..).unwrap_or_default();
            masked.push_str(&self.mask_text(rest, hits));
            masked
        });
        masked.collect()
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

    /// The mask of all of a value.
    fn mask_whole(&self, identity: Identity, value: &[u8], hits: &mut Hits) -> Vec<u8> {
        let mut cover = Cover::new(identity, &self.key);
        cover.absorb(value);
        let mut masked = Vec::new();
        cover.finish(&mut masked);
        hits.add(identity.detected, self.rule_name(identity.rule));
        masked
    }

    /// Who masks the value of a JSON key.
    pub(crate) fn json_key(&self, key: &str) -> Option<Identity> {
        let matching = self.json_keys.iter().filter(|(glob, _)| glob.is_match(key));
        strictest(matching.map(|(_, identity)| *identity))
    }

    pub(crate) fn names_json_keys(&self) -> bool {
        !self.json_keys.is_empty()
    }

    /// Who masks values whose key or place cannot be told: any rule that names keys.
    pub(crate) fn any_json_key(&self) -> Option<Identity> {
        strictest(self.json_keys.iter().map(|(_, identity)| *identity))
    }
}

#[cfg(test)]
mod tests;
