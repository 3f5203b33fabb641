use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::SourceText;

fn read_text(text: &str) -> Result<Node, String> {
    let source = SourceText {
        file: "p.yaml".to_owned(),
        text: text.to_owned(),
    };
    let mut complaints = Complaints::new(Arc::new(source));
    match read(&mut complaints) {
        Some(node) => Ok(node),
        None => Err(complaints
            .errors
            .iter()
            .map(|e| e.message.clone())
            .collect()),
    }
}

#[test]
fn values_have_places() {
    let Value::Map(entries) = read_text("a: 1\nb: [x, \"2\"]\n").unwrap().value else {
        panic!()
    };
    assert_eq!(
        entries[0].span,
        Span {
            line: 1,
            column: 1,
            length: 1
        }
    );
    let Value::List(items) = &entries[1].value.value else {
        panic!()
    };
    assert_eq!(
        items[1].span,
        Span {
            line: 2,
            column: 8,
            length: 3
        }
    );
    assert_eq!(
        items[1].value,
        Value::Scalar {
            text: "2".to_owned(),
            quoted: true
        }
    );
    assert_eq!(entries[0].value.kind(), "a number");
}

#[test]
fn kinds() {
    for (text, kind) in [
        ("1", "a number"),
        ("1.5", "a number"),
        ("'1'", "text"),
        ("true", "true or false"),
        ("yes", "text"),
        ("~", "nothing"),
        ("10m", "text"),
        ("[a]", "a list"),
        ("{a: b}", "a mapping"),
    ] {
        assert_eq!(read_text(text).unwrap().kind(), kind, "{text}");
    }
}

#[test]
fn what_can_be_repeated_is_refused() {
    for text in [
        "a: &x [1]\nb: *x",
        "a: &x 1",
        "&x a: 1",
        "a: !!str 1",
        "a: !local [1]",
        "<<: *x",
        "a: &a [*a]",
    ] {
        let error = read_text(text).unwrap_err();
        assert!(
            error.contains("anchors") || error.contains("no YAML"),
            "{text}: {error}"
        );
    }
}

#[test]
fn an_alias_bomb_is_refused_at_its_first_anchor() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for i in 1..40 {
        bomb += &format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1);
    }
    assert!(read_text(&bomb).unwrap_err().contains("anchors"));
}

#[test]
fn broken_texts() {
    for (text, want) in [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: [1\n", "no YAML"),
        ("a: \"x\n", "no YAML"),
        ("a: 1\n b: 2\n", "no YAML"),
        ("%YAML 1.1\n---\na: 1\n", "no YAML"),
        ("? [a]\n: b\n", "a key that is a list"),
        ("{a: 1", "no YAML"),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.contains(want), "{text:?}: {error}");
    }
}

#[test]
fn size_limit() {
    let text = |bytes: usize| format!("a: 1\n{}", "#".repeat(bytes - 5));
    assert!(read_text(&text(MAX_FILE_BYTES)).is_ok());
    assert!(
        read_text(&text(MAX_FILE_BYTES + 1))
            .unwrap_err()
            .contains("at most")
    );
}

#[test]
fn nesting_limit() {
    let nested = |depth: usize| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_text(&nested(MAX_NESTING)).is_ok());
    assert!(read_text(&nested(MAX_NESTING + 1)).is_err());
    let block = |depth: usize| {
        (0..depth)
            .map(|i| format!("{}a:\n", " ".repeat(i)))
            .collect()
    };
    let block: String = block(MAX_NESTING + 2);
    assert!(read_text(&block).is_err());
}

#[test]
fn nodes_limit() {
    // The list itself is a value as well.
    let list = |n: usize| format!("[{}]", "1,".repeat(n - 1));
    assert!(read_text(&list(MAX_NODES)).is_ok());
    assert!(
        read_text(&list(MAX_NODES + 1))
            .unwrap_err()
            .contains("more than")
    );
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in "[-a: \\[\\]{},&*!|>'\"%#\n\t0?]{0,60}") {
        let _ = read_text(&text);
    }
}
