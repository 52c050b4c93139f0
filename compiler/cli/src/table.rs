// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Tables of text: a header, rows, columns as wide as their widest entry.

use std::fmt;

/// A table. Columns are right-aligned but for the first ones, which are words.
pub struct Table {
    rows: Vec<Vec<String>>,
    words: usize,
}

impl Table {
    /// One with this header, whose first so many columns are words.
    pub fn new(words: usize, header: &[&str]) -> Self {
        let header = header.iter().map(|title| (*title).to_owned()).collect();
        Self {
            rows: vec![header],
            words,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let entries = self.rows.iter().filter_map(|row| row.get(column));
            entries
                .map(|entry| entry.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (entry, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                line += &match column < self.words {
                    true => format!("{gap}{entry:<width$}"),
                    false => format!("{gap}{entry:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Microseconds of nanoseconds, with as many decimals as there are.
pub fn microseconds(ns: u64) -> String {
    match ns % 1000 {
        0 => (ns / 1000).to_string(),
        rest => format!("{}.{rest:03}", ns / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let mut table = Table::new(1, &["app", "us"]);
        table.row(vec!["long name".into(), microseconds(1_500)]);
        table.row(vec!["b\u{e4}".into(), microseconds(20_000_000)]);
        let expected = "app           us\nlong name  1.500\nb\u{e4}         20000\n";
        assert_eq!(table.to_string(), expected);
    }
}
