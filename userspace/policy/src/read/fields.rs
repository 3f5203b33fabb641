//! Keys of a block, and the scalars that they hold.

use std::collections::HashSet;
use std::time::Duration;

use sluice_flow::Labels;

use crate::diagnostic::{Complaints, Span, nearest};
use crate::glob::{Glob, Parts};
use crate::keys::Block;
use crate::limits::{MAX_LIST, MAX_MESSAGE_BYTES, MAX_NAME_BYTES};
use crate::yaml::{Entry, Node, Value, is_null};

/// Finds the uid of a user's name; asked while a policy is read.
pub type UserLookup<'u> = &'u dyn Fn(&str) -> Option<u32>;

/// What reading carries along.
pub(crate) struct Reader<'r> {
    pub(crate) complaints: Complaints,
    pub(crate) users: UserLookup<'r>,
}

/// The keys of one mapping, all of them known to its block.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    pub(crate) span: Span,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    pub(crate) fn find(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    pub(crate) fn place(&self, key: &str) -> Span {
        self.entries
            .iter()
            .find(|e| e.key == key)
            .map_or(self.span, |e| e.span)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Reader<'_> {
    /// The keys of a mapping. Unknown, doubled and missing ones are errors.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, block: &Block) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let keys: Vec<&str> = block.keys.iter().map(|k| k.name).collect();
            self.complaints.error_with_fix(
                node.span,
                format!("`{}` is a mapping, not {}", block.name, node.kind()),
                format!("its keys: {}", keys.join(", ")),
            );
            return None;
        };
        self.no_doubles(entries, block.name);
        for entry in entries.iter().take(MAX_LIST) {
            self.known(entry, block);
        }
        for key in block.keys.iter().filter(|k| k.required) {
            if !entries.iter().any(|e| e.key == key.name) {
                let message = format!("{} needs `{}`", block.name, key.name);
                self.complaints
                    .error_with_fix(node.span, message, key.about);
            }
        }
        Some(Fields {
            span: node.span,
            entries,
        })
    }

    fn no_doubles(&mut self, entries: &[Entry], block: &str) {
        let mut seen = HashSet::new();
        for entry in entries.iter().filter(|e| !seen.insert(e.key.as_str())) {
            let message = format!("`{}` stands twice in {block}", short(&entry.key));
            let fix = "keep one; several values of one key are a list";
            self.complaints.error_with_fix(entry.span, message, fix);
        }
    }

    fn known(&mut self, entry: &Entry, block: &Block) {
        let known = || block.keys.iter().map(|k| k.name);
        if known().any(|name| name == entry.key) {
            return;
        }
        if block.later.contains(&entry.key.as_str()) {
            let message = format!("`{}` of {} is not in this version", entry.key, block.name);
            let fix = "leave it out; a rule that names it could never match";
            return self.complaints.error_with_fix(entry.span, message, fix);
        }
        let message = format!("unknown key `{}` in {}", short(&entry.key), block.name);
        let fix = match nearest(&entry.key, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its keys: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.complaints.error_with_fix(entry.span, message, fix);
    }

    fn wrong(&mut self, node: &Node, wanted: &str, fix: &str) {
        let message = format!("expected {wanted}, found {}", node.kind());
        self.complaints.error_with_fix(node.span, message, fix);
    }

    /// Text. A number or a boolean without quotes is an error: YAML would make `1.10` of it 1.1.
    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, quoted } if *quoted || node.kind() == "text" => {
                if text.chars().any(char::is_control) {
                    let fix = "write it without line breaks and control characters";
                    self.complaints
                        .error_with_fix(node.span, "text with control characters", fix);
                    return None;
                }
                Some(text)
            }
            Value::Scalar { text, .. } if !is_null(text) => {
                self.wrong(
                    node,
                    "text",
                    &format!("put it into quotes: \"{}\"", short(text)),
                );
                None
            }
            _ => {
                self.wrong(node, "text", "write one value here");
                None
            }
        }
    }

    /// A message for people, bounded.
    pub(crate) fn message(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.len() > MAX_MESSAGE_BYTES {
            let message = format!("a message has at most {MAX_MESSAGE_BYTES} bytes");
            self.complaints
                .error_with_fix(node.span, message, "shorten it, or put a link");
            return None;
        }
        Some(text.to_owned())
    }

    /// A name: what goes into records, headers and refusals as it is.
    pub(crate) fn name(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.chars().all(plain) {
            let message = format!("`{}` is no name", short(text));
            let fix = format!(
                "1 to {MAX_NAME_BYTES} letters, digits, `-`, `_`, `.`: `{}`",
                as_name(text)
            );
            self.complaints.error_with_fix(node.span, message, fix);
            return None;
        }
        if text == "default" {
            let fix = "records call what no rule matched `default`; take another name";
            self.complaints
                .error_with_fix(node.span, "the name `default` is taken", fix);
            return None;
        }
        Some(text.to_owned())
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let choices = || words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", ");
        let Value::Scalar { text, .. } = &node.value else {
            self.wrong(node, "a word", &format!("one of: {}", choices()));
            return None;
        };
        if let Some((_, value)) = words.iter().find(|(w, _)| w == text) {
            return Some(*value);
        }
        let fix = match nearest(text, words.iter().map(|(w, _)| *w)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", choices()),
        };
        self.complaints.error_with_fix(
            node.span,
            format!("`{}` is not known here", short(text)),
            fix,
        );
        None
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Scalar {
                text,
                quoted: false,
            } if text == "true" => Some(true),
            Value::Scalar {
                text,
                quoted: false,
            } if text == "false" => Some(false),
            _ => {
                self.wrong(
                    node,
                    "true or false",
                    "write `true` or `false`, without quotes",
                );
                None
            }
        }
    }

    /// A whole number between two bounds.
    pub(crate) fn number(&mut self, node: &Node, from: u64, to: u64) -> Option<u64> {
        let fix = format!("a whole number from {from} to {to}");
        match &node.value {
            Value::Scalar {
                text,
                quoted: false,
            } => match text.parse() {
                Ok(number) if (from..=to).contains(&number) => Some(number),
                Ok(_) => {
                    let message = format!("{text} is out of range");
                    self.complaints.error_with_fix(node.span, message, fix);
                    None
                }
                Err(_) => {
                    self.wrong(node, "a number", &fix);
                    None
                }
            },
            _ => {
                self.wrong(node, "a number", &fix);
                None
            }
        }
    }

    /// A span of time: a number with its unit.
    pub(crate) fn duration(&mut self, node: &Node, most: Duration) -> Option<Duration> {
        let text = match &node.value {
            Value::Scalar { text, .. } => text.as_str(),
            Value::List(_) | Value::Map(_) => "",
        };
        match super::read_duration(text) {
            Some(duration) if duration.is_zero() || duration > most => {
                let fix = format!("more than nothing, at most {} hours", most.as_secs() / 3600);
                self.complaints
                    .error_with_fix(node.span, format!("{text} is out of range"), fix);
                None
            }
            Some(duration) => Some(duration),
            None => {
                self.wrong(
                    node,
                    "a span of time",
                    "a number with its unit: 30s, 10m, 2h, 90d",
                );
                None
            }
        }
    }

    /// The values of a list; one value alone is a list of one.
    pub(crate) fn values<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        let Value::List(items) = &node.value else {
            return std::slice::from_ref(node);
        };
        if items.is_empty() {
            let fix = "leave the key out, or name at least one value";
            self.complaints
                .error_with_fix(node.span, "an empty list matches nothing", fix);
        }
        self.bounded(node, items, MAX_LIST, "values in one list")
    }

    /// Items up to a limit, an error beyond it.
    pub(crate) fn bounded<'n>(
        &mut self,
        node: &Node,
        items: &'n [Node],
        most: usize,
        what: &str,
    ) -> &'n [Node] {
        if items.len() > most {
            let message = format!("{} {what}, at most {most} are read", items.len());
            self.complaints
                .error_with_fix(node.span, message, "split it");
            return &[];
        }
        items
    }

    pub(crate) fn texts<'n>(&mut self, node: &'n Node) -> Vec<(&'n str, Span)> {
        let values = self.values(node);
        values
            .iter()
            .filter_map(|v| self.text(v).map(|t| (t, v.span)))
            .collect()
    }

    pub(crate) fn glob(&mut self, text: &str, span: Span, parts: Parts) -> Option<Glob> {
        match Glob::new(text, parts) {
            Ok(glob) => Some(glob),
            Err(error) => {
                self.complaints.error(span, error.to_string());
                None
            }
        }
    }

    /// Globs that are alternatives.
    pub(crate) fn globs(&mut self, node: Option<&Node>, parts: Parts) -> Vec<Glob> {
        let Some(node) = node else { return Vec::new() };
        let texts = self.texts(node);
        texts
            .into_iter()
            .filter_map(|(text, span)| self.glob(text, span, parts))
            .collect()
    }

    /// A mapping of free keys to globs: labels, header fields.
    pub(crate) fn named_globs(
        &mut self,
        node: Option<&Node>,
        parts: Parts,
    ) -> Vec<(String, Vec<Glob>)> {
        let Some(node) = node else { return Vec::new() };
        let Value::Map(entries) = &node.value else {
            self.wrong(
                node,
                "a mapping of names to globs",
                "for example: { name: \"value-*\" }",
            );
            return Vec::new();
        };
        if entries.len() > MAX_LIST {
            let message = format!("{} names, at most {MAX_LIST} are read", entries.len());
            self.complaints
                .error_with_fix(node.span, message, "split it");
            return Vec::new();
        }
        self.no_doubles(entries, "this mapping");
        entries
            .iter()
            .map(|e| (e.key.clone(), self.globs(Some(&e.value), parts)))
            .collect()
    }

    /// Labels of a job as a case writes them.
    pub(crate) fn labels(&mut self, node: &Node) -> Labels {
        let Value::Map(entries) = &node.value else {
            self.wrong(
                node,
                "a mapping of labels",
                "for example: { repository: acme/shop }",
            );
            return Labels::new();
        };
        let pairs = entries
            .iter()
            .filter_map(|e| Some((e.key.clone(), self.text(&e.value)?.into())));
        pairs.collect()
    }
}

/// A text, short enough for a message.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 60;
    let shown: String = text
        .chars()
        .take(MOST)
        .filter(|c| !c.is_control())
        .collect();
    if text.chars().nth(MOST).is_some() {
        format!("{shown}...")
    } else {
        shown
    }
}

fn as_name(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = text.chars().take(MAX_NAME_BYTES).map(plain).collect();
    let name = name.trim_matches('-');
    if name.is_empty() {
        "my-rule".to_owned()
    } else {
        name.to_owned()
    }
}
