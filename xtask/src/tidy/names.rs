//! Names that say nothing.

use super::source::is_word;
use super::{File, Finding};

/// Words that no type or module is named with.
const EMPTY_WORDS: &[&str] = &[
    "Manager", "Handler", "Util", "Utils", "Helper", "Helpers", "Common",
];

/// What introduces a name.
const DEFINES: &[&str] = &[
    "struct",
    "enum",
    "trait",
    "type",
    "mod",
    "union",
    "fn",
    "macro_rules",
];

/// Files and folders of Rust code.
pub(super) fn file_names(file: &File) -> Vec<Finding> {
    if file.rust.is_none() {
        return Vec::new();
    }
    let parts = file.path.trim_end_matches(".rs").split('/');
    let empty = parts.filter(|part| *part == "types" || says_nothing(part));
    empty
        .map(|part| Finding::new("name", 1, format!("a file named `{part}` says nothing")))
        .collect()
}

/// Types and modules, where they are defined, and functions that get.
pub(super) fn defined_names(file: &File) -> Vec<Finding> {
    let Some(rust) = &file.rust else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in rust.numbered() {
        for (kind, name) in definitions(&line.code) {
            if kind == "fn" && name.starts_with("get_") {
                let what = format!("`{name}`: a getter is named for what it gives");
                found.push(Finding::new("name", number, what));
            } else if kind != "fn" && says_nothing(name) || (kind == "mod" && name == "types") {
                found.push(Finding::new(
                    "name",
                    number,
                    format!("`{name}` says nothing"),
                ));
            }
        }
    }
    found
}

/// (what introduces it, the name), for each definition on a line.
fn definitions(code: &str) -> Vec<(&str, &str)> {
    let words: Vec<_> = code
        .split(|char| !is_word(char))
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [kind, name] if DEFINES.contains(kind) => Some((*kind, *name)),
        _ => None,
    });
    pairs.collect()
}

/// Whether one of the words in a name is an empty one: `TaskManager`, `http_util`.
fn says_nothing(name: &str) -> bool {
    let words = name.split('_').flat_map(camel_words);
    words.into_iter().any(|word| {
        EMPTY_WORDS
            .iter()
            .any(|empty| empty.eq_ignore_ascii_case(&word))
    })
}

fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for char in name.chars() {
        match words.last_mut() {
            Some(word) if !char.is_uppercase() => word.push(char),
            Some(_) | None => words.push(char.to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        let file = File::new(path, text);
        file_names(&file).len() + defined_names(&file).len()
    }

    #[test]
    fn empty_names_are_found_where_they_are_defined() {
        let bad = [
            "struct FlowManager;",
            "pub enum HandlerKind {}",
            "mod util;",
            "mod types;",
            "trait Helper {}",
            "fn get_flow() {}",
            "type CommonMap = u8;",
            "mod http_utils {}",
        ];
        for bad in bad {
            assert_eq!(count("a.rs", bad), 1, "{bad}");
        }
    }

    #[test]
    fn names_of_the_field_and_of_others_are_free() {
        let good = [
            "struct Flow;",
            "use other::ConnectionManager;",
            "fn target() {}",
            "fn handle() {}",
            "fn common() {}",
            "fn common() {}",
            "let get_flow = 1;",
            "struct Commonplace;",
            "type Utility = u8;",
            "// struct Helper",
            "let a = \"fn get_b\";",
            "fn widget_() {}",
        ];
        for good in good {
            assert_eq!(count("a.rs", good), 0, "{good}");
        }
    }

    #[test]
    fn file_names_count() {
        for bad in [
            "a/types.rs",
            "a/utils.rs",
            "a/common/b.rs",
            "a/http_helper.rs",
        ] {
            assert_eq!(count(bad, ""), 1, "{bad}");
        }
        for good in ["a/lineage.rs", "a/utils.toml", "a/prototypes.rs"] {
            assert_eq!(count(good, ""), 0, "{good}");
        }
    }
}
