use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Color, Style};

use crate::environment;

/// Puts colours on text, where there is somebody to see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

/// The looks that are used; few, each with one meaning.
pub(crate) mod look {
    use super::{AnsiColor, Color, Style};

    const fn colour(colour: AnsiColor) -> Style {
        Style::new().fg_color(Some(Color::Ansi(colour)))
    }

    pub(crate) const PLAIN: Style = Style::new();
    pub(crate) const HEAD: Style = Style::new().bold();
    pub(crate) const DIM: Style = Style::new().dimmed();
    pub(crate) const GOOD: Style = colour(AnsiColor::Green);
    pub(crate) const WAIT: Style = colour(AnsiColor::Yellow);
    pub(crate) const BAD: Style = colour(AnsiColor::Red).bold();
    pub(crate) const MASK: Style = colour(AnsiColor::Magenta);

    /// How a verdict looks.
    pub(crate) fn verdict(word: &str) -> Style {
        match word {
            "allow" => GOOD,
            "approve" => WAIT,
            _ => BAD,
        }
    }
}

impl Paint {
    #[cfg(test)]
    pub(crate) const OFF: Self = Self { on: false };
    #[cfg(test)]
    pub(crate) const ON: Self = Self { on: true };

    /// For standard output.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// For standard error.
    pub(crate) fn of_stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        Self {
            on: terminal && environment::colours_wanted(),
        }
    }

    pub(crate) fn on(self, look: Style, text: &str) -> String {
        if self.on && !text.is_empty() && look != look::PLAIN {
            format!("{look}{text}{look:#}")
        } else {
            text.to_owned()
        }
    }
}
