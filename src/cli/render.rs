//! Tables and text for people.

use std::borrow::Cow;

pub use crate::figures::{bytes, count, counted, duration, rough, time};

/// Columns of text, as wide as their widest cell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A header beginning with `>` makes its column lean right, for numbers.
    pub fn new(headers: &[&str]) -> Self {
        Self {
            rows: vec![
                headers
                    .iter()
                    .map(|header| header.trim_start_matches('>').to_owned())
                    .collect(),
            ],
            right: headers
                .iter()
                .map(|header| header.starts_with('>'))
                .collect(),
        }
    }

    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| one_line(&cell.into()));
        self.rows.push(cells.collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// One line a row, without spaces at the end.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = widths.get(column).copied().unwrap_or(0);
                match self.right.get(column) {
                    Some(true) => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Text that a terminal only shows: names come from databases and manifests, and may hold escape
/// sequences or characters that turn the writing direction. Line breaks and tabs stay.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string().into(),
            c => shown(c),
        })
        .collect()
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    let text = text.trim_end();
    text.chars()
        .map(|c| {
            if c == '\n' {
                Cow::Borrowed(" ")
            } else {
                shown(c)
            }
        })
        .collect()
}

fn shown(c: char) -> Cow<'static, str> {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns {
        c.escape_default().to_string().into()
    } else {
        c.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_hold_hostile_names() {
        let mut table = Table::new(&["DATABASE", ">ROWS"]);
        assert!(table.is_empty());
        table.row(["courses", "1,943,200"]);
        table.row(["x\n\u{1b}[2J", "7"]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "courses      1,943,200");
        assert_eq!(lines[2], "x \\u{1b}[2J          7");
    }

    #[test]
    fn nothing_printed_steers_a_terminal() {
        assert_eq!(
            clean("a\u{1b}]0;x\u{7}\n\u{202e}b"),
            "a\\u{1b}]0;x\\u{7}\n\\u{202e}b"
        );
        assert_eq!(one_line("a\nb\n"), "a b");
    }
}
