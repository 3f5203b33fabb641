//! How a failure is told: what went wrong, from the outside in, and what to do about it.

use std::process::ExitCode;

use sluice_api::ClientError;

use crate::paper::{Gone, Paint, eprint, look, one_line};

/// Something to do about an error, kept in its chain.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Hinted {
    error: String,
    hint: String,
}

/// An error with what to do about it.
pub(crate) fn hinted(error: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    let (error, hint) = (error.into(), hint.into());
    Hinted { error, hint }.into()
}

/// Tells an error on standard error; gives the exit code. That nobody reads any more is none.
pub(crate) fn told(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    if error.is::<Gone>() {
        return ExitCode::SUCCESS;
    }
    eprint(&text(error, Paint::of_stderr()));
    code
}

fn text(error: &anyhow::Error, paint: Paint) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors print their source themselves.
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    // What checks files says `error:` before each of its findings.
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let mut lines = message.lines().map(one_line);
    let first = lines.next().unwrap_or_default();
    let mut text = format!("sluice: {} {first}\n", paint.on(look::BAD, "error:"));
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    for hint in error.chain().filter_map(hint) {
        text.push_str(&format!(
            "{} {}\n",
            paint.on(look::GOOD, "hint:"),
            one_line(&hint)
        ));
    }
    text
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(hinted) = cause.downcast_ref::<Hinted>() {
        return Some(hinted.hint.clone());
    }
    if let Some(client) = cause.downcast_ref::<ClientError>() {
        return client.hint();
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    (io.kind() == std::io::ErrorKind::PermissionDenied).then(|| "try it with sudo".to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_chain_is_told_from_the_outside_in() {
        let error = anyhow::anyhow!("no such user").context("cannot start the job");
        let want = "sluice: error: cannot start the job: no such user\n";
        assert_eq!(text(&error, Paint::OFF), want);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("b").context("a: b");
        assert_eq!(text(&error, Paint::OFF), "sluice: error: a: b\n");
    }

    #[test]
    fn hints_stand_on_lines_of_their_own() {
        let error = hinted("the gate is shut", "run `sluice status`");
        let told = text(&error, Paint::OFF);
        assert_eq!(
            told,
            "sluice: error: the gate is shut\nhint: run `sluice status`\n"
        );
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(denied).context("cannot open x").unwrap_err();
        assert!(text(&error, Paint::OFF).ends_with("hint: try it with sudo\n"));
    }

    #[test]
    fn several_lines_stay_lines_and_nothing_steers_the_terminal() {
        let error = anyhow::anyhow!("a.yaml:1:1\n  | \u{1b}[2Jx");
        let want = "sluice: error: a.yaml:1:1\n  | \\u{1b}[2Jx\n";
        assert_eq!(text(&error, Paint::OFF), want);
    }

    #[test]
    fn nobody_reading_is_no_failure() {
        let error = anyhow::Error::from(Gone).context("cannot print");
        assert!(error.is::<Gone>());
    }
}
