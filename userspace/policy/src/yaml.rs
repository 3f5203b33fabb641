//! YAML text to a tree of values with their places.
//!
//! Only what policies need: mappings with text keys, lists and scalars in one document.
//! Anchors, aliases, merge keys, tags and directives are errors: a reviewer must see what a
//! rule says where it stands, and what cannot be repeated cannot be blown up.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marked};

use crate::diagnostic::{Complaints, Span};
use crate::limits::{MAX_FILE_BYTES, MAX_NESTING, MAX_NODES};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A scalar; `quoted` tells `"1"` from `1`.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { quoted: true, .. } => "text",
            Value::Scalar { text, .. } if is_null(text) => "nothing",
            Value::Scalar { text, .. } if text.parse::<f64>().is_ok() => "a number",
            Value::Scalar { text, .. } if text == "true" || text == "false" => "true or false",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// YAML 1.2.2 section 10.3.2.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Reads the one document of a text. Errors go to `complaints`.
pub(crate) fn read(complaints: &mut Complaints) -> Option<Node> {
    let source = std::sync::Arc::clone(&complaints.source);
    if source.text.len() > MAX_FILE_BYTES {
        let message = format!(
            "the file has {} bytes, at most {MAX_FILE_BYTES} are read",
            source.text.len()
        );
        complaints.error_with_fix(first(), message, "split it into several policies");
        return None;
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    let mut reading = Reading {
        events: Parser::new_from_str_with_options(&source.text, options),
        nodes: 0,
        depth: 0,
    };
    match reading.document() {
        Ok(node) => Some(node),
        Err(Broken { span, message, fix }) => {
            match fix {
                Some(fix) => complaints.error_with_fix(span, message, fix),
                None => complaints.error(span, message),
            }
            None
        }
    }
}

fn first() -> Span {
    Span {
        line: 1,
        column: 1,
        length: 1,
    }
}

struct Broken {
    span: Span,
    message: String,
    fix: Option<&'static str>,
}

impl Broken {
    fn new(span: Span, message: impl Into<String>, fix: &'static str) -> Self {
        Self {
            span,
            message: message.into(),
            fix: Some(fix),
        }
    }
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        let mark = error.marker();
        let span = Span {
            line: mark.line().max(1),
            column: mark.col() + 1,
            length: 1,
        };
        Self {
            span,
            message: format!("this is no YAML: {}", error.info()),
            fix: None,
        }
    }
}

struct Reading<I> {
    events: I,
    nodes: usize,
    depth: usize,
}

type Step<'i> = Result<(Event<'i>, Marked), ScanError>;

impl<'i, I: Iterator<Item = Step<'i>>> Reading<I> {
    fn document(&mut self) -> Result<Node, Broken> {
        let node = loop {
            let (event, marked) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => {
                    let fix = "a policy starts with `version: 1` and `name:`";
                    return Err(Broken::new(first(), "the file is empty", fix));
                }
                event => break self.node(event, place(&marked))?,
            }
        };
        loop {
            let (event, marked) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(node),
                _ => {
                    let fix = "one file has one document: put this one into its own file";
                    return Err(Broken::new(place(&marked), "a second document", fix));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'i>, Marked), Broken> {
        match self.events.next() {
            Some(step) => Ok(step?),
            None => Err(Broken::new(
                first(),
                "the text ends early",
                "check its last lines",
            )),
        }
    }

    fn node(&mut self, event: Event<'i>, span: Span) -> Result<Node, Broken> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one file");
            return Err(Broken::new(span, message, "split it into several policies"));
        }
        if self.depth > MAX_NESTING {
            let message = format!("nested deeper than {MAX_NESTING}");
            return Err(Broken::new(
                span,
                message,
                "no key of a policy stands that deep",
            ));
        }
        let value = match event {
            Event::Scalar(_, _, anchor, tag) if anchor != 0 || tag.is_some() => {
                return Err(no_anchors(span));
            }
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(no_anchors(span));
            }
            Event::Scalar(text, style, ..) => Value::Scalar {
                text: text.into_owned(),
                quoted: style != ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => self.nested(Self::list)?,
            Event::MappingStart(..) => self.nested(Self::map)?,
            _ => return Err(no_anchors(span)),
        };
        Ok(Node { span, value })
    }

    fn nested(
        &mut self,
        read: impl Fn(&mut Self) -> Result<Value, Broken>,
    ) -> Result<Value, Broken> {
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, marked) => items.push(self.node(event, place(&marked))?),
            }
        }
    }

    fn map(&mut self) -> Result<Value, Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, marked) = self.next()?;
            let span = place(&marked);
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let Value::Scalar { text: key, .. } = self.node(event, span)?.value else {
                let fix = "keys are plain words";
                return Err(Broken::new(span, "a key that is a list or a mapping", fix));
            };
            let (event, marked) = self.next()?;
            let value = self.node(event, place(&marked))?;
            entries.push(Entry { key, span, value });
        }
    }
}

fn no_anchors(span: Span) -> Broken {
    let fix = "write the value out where it is used";
    Broken::new(
        span,
        "anchors, aliases and tags are not part of the policy language",
        fix,
    )
}

fn place(marked: &Marked) -> Span {
    let (start, end) = (&marked.start, &marked.end);
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        1
    };
    Span {
        line: start.line().max(1),
        column: start.col() + 1,
        length: length.max(1),
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
