//! Aligned text.

/// Rows in columns: the first `left` columns to the left, the others to the right.
pub(crate) fn aligned(rows: &[Vec<String>], left: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells
            .map(|(column, (cell, &width))| {
                if column < left {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A number with three digits that count, or all before the point.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "-".to_owned();
    }
    match size {
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            row(&["path", "GB/s", "of direct"]),
            row(&["direct", "9.84", "1.00"]),
            row(&["haproxy, splice", "4.9", ""]),
        ];
        assert_eq!(
            aligned(&rows, 1),
            "path             GB/s  of direct\n\
             direct           9.84       1.00\n\
             haproxy, splice   4.9\n"
        );
    }

    #[test]
    fn rows_may_be_short_and_letters_wide_in_bytes() {
        let rows = [row(&["µs", "1"]), row(&["x"]), row(&[])];
        assert_eq!(aligned(&rows, 1), "µs  1\nx\n\n");
        assert_eq!(aligned(&[], 1), "");
    }

    #[test]
    fn numbers_keep_three_digits() {
        for (value, want) in [
            (0.0, "0.00"),
            (0.0791, "0.079"),
            (0.999, "0.999"),
            (1.0, "1.00"),
            (9.836, "9.84"),
            (75.04, "75.0"),
            (141.7, "142"),
            (28_104.0, "28104"),
            (-12.34, "-12.3"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), want);
        }
    }
}
