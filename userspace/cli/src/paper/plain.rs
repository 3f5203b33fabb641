//! Text that others chose, made safe for a terminal.
//!
//! A job picks its arguments, its statements and the paths that it asks for. Printed as they
//! are, escape sequences in them could hide or forge lines of the very record that convicts it.

/// One line: what is no visible character is shown as its escape.
pub(crate) fn one_line(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => plain.push(' '),
            '\n' => plain.push_str("\\n"),
            '\r' => plain.push_str("\\r"),
            c if c.is_control() || is_invisible(c) => plain.extend(c.escape_unicode()),
            c => plain.push(c),
        }
    }
    plain
}

/// Format characters that reorder or hide text (Unicode TR 36, section 2).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// One line of at most `most` characters; what is left out is marked.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= most {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_steers_it() {
        for (text, want) in [
            ("psql -c 'SELECT 1'", "psql -c 'SELECT 1'"),
            ("naïve 数据", "naïve 数据"),
            ("\u{1b}[2Kallow", "\\u{1b}[2Kallow"),
            ("a\u{9b}31mb", "a\\u{9b}31mb"),
            ("a\r\nb\tc", "a\\r\\nb c"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{7f}\0", "\\u{7f}\\u{0}"),
        ] {
            assert_eq!(one_line(text), want);
        }
    }

    #[test]
    fn no_control_character_is_left_in_any_line() {
        let all: String = (0..0x1_0000).filter_map(char::from_u32).collect();
        let line = one_line(&all);
        assert!(!line.chars().any(|c| c.is_control() || is_invisible(c)));
    }

    #[test]
    fn shortening_keeps_the_limit() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("abcd", 3), "ab…");
        assert_eq!(shortened("a  bcd", 3), "a…");
        assert_eq!(shortened("\u{1b}\u{1b}", 6), "\\u{1b…");
    }
}
