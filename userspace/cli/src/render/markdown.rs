//! The end of `run` as Markdown, for the page of a build.

use super::chain::{place, process};
use super::event::names;
use super::sessions::remark;
use super::summary::{JobEnd, RefusedOperation, headline, rows, warnings};
use crate::paper::one_line;

/// The summary as GitHub flavoured Markdown.
pub(crate) fn summary_markdown(end: &JobEnd<'_>) -> String {
    let mut text = format!("### sluice\n\n{}\n", prose(&headline(end)));
    if !end.sessions.is_empty() {
        text.push_str(
            "\n| destination | process | protocol | verdict | operations | refused | masked | rules |\n\
             | --- | --- | --- | --- | ---: | ---: | ---: | --- |\n",
        );
    }
    for row in rows(end.sessions) {
        let session = row.session;
        let verdict = format!("{} {}", session.verdict, remark(session));
        let cells = [
            code(&place(session.destination.as_ref())),
            code(&process(session)),
            prose(&session.protocol),
            prose(verdict.trim_end()),
            row.operations.to_string(),
            row.refused.to_string(),
            row.masked.to_string(),
            prose(&names(&session.rules)),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for refused in end.refused {
        text.push_str(&refusal(refused, &end.explained_by(refused)));
    }
    if end.more_refused > 0 {
        text.push_str(&format!("\nand {} more refused\n", end.more_refused));
    }
    for warning in warnings(end) {
        text.push_str(&format!("\n**Warning: {}.**\n", prose(&warning)));
    }
    text
}

fn refusal(refused: &RefusedOperation, see: &str) -> String {
    let word = if refused.expected {
        "Refused, as expected"
    } else {
        "**Refused**"
    };
    let mut text = format!(
        "\n- {word}: {} to {}",
        code(&refused.process),
        code(&refused.destination)
    );
    if !refused.operation.is_empty() {
        text.push_str(&format!(", {}", code(&refused.operation)));
    }
    text.push_str(&format!("\n  {}\n", prose(&refused.message)));
    if !refused.rules.is_empty() {
        text.push_str(&format!("  (by {})\n", prose(&names(&refused.rules))));
    }
    if refused.expected {
        return text;
    }
    if let Some(rule) = &refused.allow {
        text.push_str(&format!(
            "\n  To allow it, add to the policy's rules: {}\n",
            code(rule)
        ));
    }
    text.push_str(&format!("\n  Why: {}\n", code(see)));
    text
}

/// Text that a job chose, so that it stays text: no markup, no links, no HTML, no mentions.
fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}

/// Text as code that ends only where we end it, also in a table (GFM, section 4.10: a pipe in
/// a cell is escaped even in code).
fn code(text: &str) -> String {
    let text = one_line(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    match longest {
        0 => format!("{fence}{text}{fence}"),
        _ => format!("{fence} {text} {fence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_chose_stays_text() {
        for (text, want) in [
            ("plain text, 1.5", "plain text, 1.5"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("[x](http://e)", "\\[x\\](http://e)"),
            ("a|b `c` @all", "a\\|b \\`c\\` &#64;all"),
            ("a\n\n# b", "a\\\\n\\\\n\\# b"),
        ] {
            assert_eq!(prose(text), want);
        }
    }

    #[test]
    fn code_ends_only_where_it_is_ended() {
        for (text, want) in [
            ("a", "`a`"),
            ("a`b", "`` a`b ``"),
            ("``", "``` `` ```"),
            ("a|b", "`a\\|b`"),
        ] {
            assert_eq!(code(text), want);
        }
    }
}
