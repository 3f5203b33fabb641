use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// The story so far: what was promised, and what came true.
#[derive(Default)]
pub(crate) struct Story {
    kept: usize,
    promised: usize,
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

impl Story {
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{TITLE}{title}{TITLE:#}");
    }

    /// Something that happens, with nothing to check.
    pub(crate) fn tell(&self, line: &str) {
        println!("  {DIM}│{DIM:#} {line}");
    }

    /// What somebody wrote, as they wrote it.
    pub(crate) fn quote(&self, who: &str, line: &str) {
        println!("  {DIM}{who:>8} │{DIM:#} {line}");
    }

    /// A promise: it must be true.
    pub(crate) fn promise(&mut self, what: &str, kept: bool) {
        self.promised += 1;
        if kept {
            self.kept += 1;
            println!("  {GOOD}✓{GOOD:#} {what}");
        } else {
            println!("  {BAD}✗ {what}{BAD:#}");
        }
    }

    pub(crate) fn broke_off(&mut self, error: &anyhow::Error) {
        self.promised += 1;
        println!("  {BAD}✗ the story broke off: {error:#}{BAD:#}");
    }

    pub(crate) fn end(&self) -> ExitCode {
        println!("\ndemo: {} of {} as promised", self.kept, self.promised);
        if self.kept == self.promised && self.promised > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
