//! The `who` block.

use crate::diagnostic::Span;
use crate::glob::Parts;
use crate::keys;
use crate::read::{Fields, Reader};
use crate::who::{Image, Step, User, Who};
use crate::yaml::{Node, Value};

/// Hex digits of a SHA-256.
const SHA256_HEX: usize = 64;

impl Reader<'_> {
    pub(super) fn who(&mut self, node: &Node) -> Who {
        let Some(fields) = self.fields(node, &keys::WHO) else {
            return Who::default();
        };
        if fields.is_empty() {
            let fix = "leave `who` out: a rule without it is for every process";
            self.complaints
                .error_with_fix(node.span, "`who` names nobody", fix);
        }
        Who {
            image: self.image_keys(fields),
            step: fields.find("step").map(|step| self.step(step)),
            parent: fields.find("parent").map(|parent| self.image(parent)),
            ancestor: fields.find("ancestor").map(|ancestor| self.image(ancestor)),
            via: self.globs(fields.find("via"), Parts::Path),
            container: fields
                .find("container")
                .is_some_and(|node| self.container(node)),
            incomplete_will_do: fields.find("lineage").is_some_and(|node| {
                self.word(node, &[("complete", false), ("any", true)])
                    .unwrap_or_default()
            }),
        }
    }

    fn step(&mut self, node: &Node) -> Step {
        match &node.value {
            Value::Map(_) => Step::Image(self.image(node)),
            Value::Scalar { .. } | Value::List(_) => Step::Exe(self.globs(Some(node), Parts::Path)),
        }
    }

    fn container(&mut self, node: &Node) -> bool {
        let image = self
            .fields(node, &keys::CONTAINER)
            .and_then(|fields| fields.find("image"));
        self.globs(image, Parts::Path);
        true
    }

    fn image(&mut self, node: &Node) -> Image {
        let Some(fields) = self.fields(node, &keys::IMAGE) else {
            return Image::default();
        };
        if fields.is_empty() {
            let fix = "name at least one key, for example exe";
            self.complaints
                .error_with_fix(node.span, "this names no process", fix);
        }
        self.image_keys(fields)
    }

    fn image_keys(&mut self, fields: Fields<'_>) -> Image {
        Image {
            exe: self.globs(fields.find("exe"), Parts::Path),
            exe_sha256: fields
                .find("exe_sha256")
                .map(|node| self.digests(node))
                .unwrap_or_default(),
            argv: self.globs(fields.find("argv"), Parts::Path),
            user: fields
                .find("user")
                .map(|node| self.users(node))
                .unwrap_or_default(),
            cwd: self.globs(fields.find("cwd"), Parts::Path),
        }
    }

    fn digests(&mut self, node: &Node) -> Vec<String> {
        let texts = self.texts(node);
        let digests = texts.iter();
        digests
            .filter_map(|(text, span)| self.digest(text, *span))
            .collect()
    }

    /// A SHA-256, in lower case.
    pub(crate) fn digest(&mut self, text: &str, span: Span) -> Option<String> {
        if text.len() == SHA256_HEX && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Some(text.to_ascii_lowercase());
        }
        let fix = match text.split_once(':') {
            Some(_) => "write the 64 hex digits alone, without what names the hash",
            None => "64 hex digits, as `sha256sum` prints them, in quotes",
        };
        self.complaints
            .error_with_fix(span, "this is no SHA-256", fix);
        None
    }

    fn users(&mut self, node: &Node) -> Vec<User> {
        let values = self.values(node);
        values.iter().filter_map(|value| self.user(value)).collect()
    }

    fn user(&mut self, node: &Node) -> Option<User> {
        if let Value::Scalar {
            text,
            quoted: false,
        } = &node.value
            && let Ok(uid) = text.parse()
        {
            return Some(User::Uid(uid));
        }
        let name = self.text(node)?;
        let uid = (self.users)(name);
        Some(uid.map_or_else(|| User::Unresolved(name.to_owned()), User::Uid))
    }
}
