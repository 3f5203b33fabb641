use anstyle::Style;

use super::{Paint, look};

/// One cell: text that is safe to print, and its look.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    look: Style,
    right: bool,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            look: look::PLAIN,
            right: false,
        }
    }

    /// A number, to the right; nothing where it is 0.
    pub(crate) fn number(n: u64) -> Self {
        let text = if n == 0 { String::new() } else { n.to_string() };
        Self {
            right: true,
            ..Self::new(text)
        }
    }

    pub(crate) fn look(self, look: Style) -> Self {
        Self { look, ..self }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows under headings, in columns as wide as they need to be.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        let head = |heading: &&str| Cell::new(*heading).look(look::DIM);
        Self {
            rows: vec![headings.iter().map(head).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The lines, each with `indent` spaces before it. A column in which no row holds
    /// anything is left out.
    pub(crate) fn print(&self, indent: usize, paint: Paint) -> String {
        let widths = self.widths();
        let margin = " ".repeat(indent);
        let mut text = String::new();
        for row in &self.rows {
            let mut line = margin.clone();
            // Spaces are owed until something follows them, so that no line ends in some.
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                let Some(width) = width else { continue };
                let pad = width.saturating_sub(cell.width());
                let (before, after) = if cell.right { (pad, 0) } else { (0, pad) };
                owed += before;
                if cell.text.is_empty() {
                    owed += after + GAP;
                    continue;
                }
                line.push_str(&" ".repeat(owed));
                line.push_str(&paint.on(cell.look, &cell.text));
                owed = after + GAP;
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Of each column; none where it holds nothing.
    fn widths(&self) -> Vec<Option<usize>> {
        let columns = self.rows.first().map_or(0, Vec::len);
        (0..columns)
            .map(|column| {
                let cells = || self.rows.iter().filter_map(|row| row.get(column));
                let holds = cells().skip(1).any(|cell| !cell.text.is_empty());
                holds.then(|| cells().map(Cell::width).max().unwrap_or(0))
            })
            .collect()
    }
}

/// Spaces between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_empty_ones_go() {
        let mut table = Table::new(&["NAME", "NONE", "N", "LAST"]);
        let row = |name: &str, n, last: &str| {
            vec![
                Cell::new(name),
                Cell::new(""),
                Cell::number(n),
                Cell::new(last),
            ]
        };
        table.row(row("naïve", 7, "x"));
        table.row(row("a", 0, ""));
        table.row(row("b", 123, "y"));
        let want = "  NAME   N    LAST\n  naïve    7  x\n  a\n  b      123  y\n";
        assert_eq!(table.print(2, Paint::OFF), want);
    }

    #[test]
    fn colour_does_not_move_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec![Cell::new("x").look(look::BAD), Cell::new("y")]);
        let coloured = table.print(0, Paint::ON);
        assert!(coloured.contains("\u{1b}["));
        assert!(coloured.contains("x\u{1b}[0m  y"), "{coloured:?}");
    }
}
