//! soon

pub(crate) fn act(words: &[&str]) {
    panic!("no such act: {words:?}");
}
