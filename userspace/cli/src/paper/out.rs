use std::io::{self, Write};

use serde::Serialize;

/// Nobody reads any more (`| head`); no failure of ours.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
pub(crate) struct Gone;

/// Prints to standard output, at once.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Gone.into(),
        _ => anyhow::Error::from(error).context("cannot write to standard output"),
    })
}

/// Prints to standard error. Where that is closed there is nobody to tell.
pub(crate) fn eprint(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints items as JSON lines.
pub(crate) fn print_json<T: Serialize>(items: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(&item)?);
        text.push('\n');
    }
    print(&text)
}
