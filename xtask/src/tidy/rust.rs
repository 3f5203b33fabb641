//! Rules for Rust files.

use super::source::{Line, Source, has_word};
use super::{File, Finding};

/// Lines outside tests that a file may have.
const MOST_LINES: usize = 600;
/// Lines outside tests at which it is time to part a file.
pub(super) const WARN_LINES: usize = 400;

/// Where `unsafe` may be.
const UNSAFE_PLACES: &[&str] = &["ebpf/", "userspace/capture/"];

/// Too long to be read.
pub(super) fn length(file: &File) -> Vec<Finding> {
    let lines = lines_outside_tests(file);
    if lines <= MOST_LINES {
        return Vec::new();
    }
    vec![Finding::new(
        "length",
        1,
        format!("{lines} lines outside tests, {MOST_LINES} at most"),
    )]
}

/// The number of lines, where it is worth a warning but no finding.
pub(super) fn long(file: &File) -> Option<usize> {
    let lines = lines_outside_tests(file);
    (WARN_LINES < lines && lines <= MOST_LINES).then_some(lines)
}

fn lines_outside_tests(file: &File) -> usize {
    match &file.rust {
        Some(rust) if !file.is_test() => rust.lines.iter().filter(|line| !line.in_test).count(),
        Some(_) | None => 0,
    }
}

/// `unsafe` outside its two places.
pub(super) fn unsafe_code(file: &File) -> Vec<Finding> {
    let Some(rust) = &file.rust else {
        return Vec::new();
    };
    if UNSAFE_PLACES
        .iter()
        .any(|place| file.path.starts_with(place))
    {
        return Vec::new();
    }
    let found = rust
        .numbered()
        .filter(|(_, line)| has_word(&line.code, "unsafe"));
    found
        .map(|(number, _)| {
            Finding::new(
                "unsafe",
                number,
                format!("only in {}", UNSAFE_PLACES.join(" and ")),
            )
        })
        .collect()
}

/// A lint that is switched off says why.
pub(super) fn lint_reasons(file: &File) -> Vec<Finding> {
    let Some(rust) = &file.rust else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in rust.numbered() {
        let heads = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
        let starts = heads.iter().any(|head| line.code.contains(head));
        if starts && !attribute(rust, number).contains("reason") {
            found.push(Finding::new(
                "reason",
                number,
                "a lint is switched off without `reason =`",
            ));
        }
    }
    found
}

/// The code from a line to the end of the attribute that starts there.
fn attribute(rust: &Source, number: usize) -> String {
    let mut text = String::new();
    for line in rust.lines.iter().skip(number - 1) {
        text.push_str(&line.code);
        if line.code.contains(")]") {
            break;
        }
    }
    text
}

/// Macros are for tables, and say so in the comment above.
pub(super) fn macros(file: &File) -> Vec<Finding> {
    let Some(rust) = &file.rust else {
        return Vec::new();
    };
    let found = rust.numbered().filter(|(number, line)| {
        line.code.contains("macro_rules!") && !is_called_a_table(&rust.lines, *number)
    });
    found
        .map(|(number, _)| {
            Finding::new(
                "macro",
                number,
                "macro_rules! only for tables: say `// table:` above",
            )
        })
        .collect()
}

/// Whether the comments and attributes directly above a line have the word `table`.
fn is_called_a_table(lines: &[Line], number: usize) -> bool {
    let above = lines
        .iter()
        .take(number)
        .rev()
        .enumerate()
        .take_while(|(distance, line)| {
            let code = line.code.trim();
            *distance == 0
                || code.starts_with('#')
                || (code.is_empty() && !line.comment.trim().is_empty())
        });
    above
        .map(|(_, line)| line)
        .any(|line| has_word(&line.comment.to_lowercase(), "table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::new("userspace/flow/src/a.rs", text)
    }

    #[test]
    fn length_counts_lines_outside_tests() {
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "    // x\n".repeat(900)
        );
        let text = |lines: usize| format!("{}{tests}", "// x\n".repeat(lines));
        assert_eq!(length(&file(&text(600))), []);
        assert_eq!(length(&file(&text(601))).len(), 1);
        assert_eq!(long(&file(&text(400))), None);
        assert_eq!(long(&file(&text(401))), Some(401));
        assert_eq!(long(&file(&text(601))), None);
        let test_file = File::new("userspace/flow/src/a/tests.rs", &text(700));
        assert_eq!(length(&test_file), []);
    }

    #[test]
    fn unsafe_has_two_places() {
        let text = "fn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(unsafe_code(&file(text)).len(), 1);
        assert_eq!(
            unsafe_code(&File::new("userspace/capture/src/a.rs", text)),
            []
        );
        assert_eq!(
            unsafe_code(&File::new("ebpf/programs/src/main.rs", text)),
            []
        );
        assert_eq!(
            unsafe_code(&file(
                "// unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";\n"
            )),
            []
        );
    }

    #[test]
    fn lints_are_switched_off_with_a_reason() {
        for bad in ["#[allow(dead_code)]\n", "#![expect(a,\n    b\n)]\n"] {
            assert_eq!(lint_reasons(&file(bad)).len(), 1, "{bad}");
        }
        let good = [
            "#[allow(a, reason = \"b\")]\n",
            "#[expect(\n    a,\n    reason = \"b\"\n)]\n",
        ];
        for good in good {
            assert_eq!(lint_reasons(&file(good)), [], "{good}");
        }
    }

    #[test]
    fn macros_are_tables() {
        assert_eq!(macros(&file("macro_rules! a { () => {} }\n")).len(), 1);
        assert_eq!(
            macros(&file(
                "// A table of codes.\n\nmacro_rules! a { () => {} }\n"
            ))
            .len(),
            1
        );
        assert_eq!(
            macros(&file("// table: codes\nmacro_rules! a { () => {} }\n")),
            []
        );
        let marked = "/// A table of codes.\n#[rustfmt::skip]\nmacro_rules! a { () => {} }\n";
        assert_eq!(macros(&file(marked)), []);
    }
}
