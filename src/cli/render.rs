//! Text for people: a page of lines, and tables. A value cannot end a line here, as there is
//! no way to write more than one at a time: a value with a line break would otherwise write the
//! lines after it, and a log that counts lines would believe them.

use std::fmt::{Display, Write as _};

use crate::escape::{OneLine, one_line};
pub(super) use crate::humanize::{bytes, count, counted, duration, rough, time};

/// What a command shows, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// One line, whatever is in it: what is not plain is escaped.
    pub(super) fn line(&mut self, line: impl Display) {
        // Writing to a String does not fail.
        let _ = write!(OneLine(&mut self.text), "{line}");
        self.text.push('\n');
    }

    /// A line for each item, with a label in front.
    pub(super) fn lines(&mut self, label: &str, items: &[impl Display]) {
        for item in items {
            self.line(format_args!("{label} {item}"));
        }
    }

    /// An empty line.
    pub(super) fn space(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn table(&mut self, table: &Table) {
        self.text += &table.render();
    }

    /// The lines of another page.
    pub(super) fn append(&mut self, page: &Self) {
        self.text += &page.text;
    }

    /// A script of lifeboat's own for a shell to run: nothing in it is escaped.
    pub(super) fn script(script: String) -> Self {
        Self { text: script }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// One line.
impl<T: Display> From<T> for Page {
    fn from(line: T) -> Self {
        let mut page = Self::default();
        page.line(line);
        page
    }
}

/// Columns of text, as wide as their widest cell.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A header beginning with `>` makes its column lean right, for numbers.
    pub(super) fn new(headers: &[&str]) -> Self {
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

    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells
            .into_iter()
            .map(|cell| one_line(&cell.into()).into_owned());
        self.rows.push(cells.collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// One line a row, without spaces at the end, and two in front: a value in the first cell
    /// does not begin a line.
    fn render(&self) -> String {
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
            text.push_str("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
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
        assert_eq!(lines[1], "  courses       1,943,200");
        assert_eq!(lines[2], "  x\\n\\u{1b}[2J          7");
    }

    #[test]
    fn no_value_ends_a_line_of_a_page() {
        let mut table = Table::new(&["NAME"]);
        table.row(["a\u{2028}b\nc"]);
        let mut page = Page::from(format_args!("holds: {}", "x\n{\"_aws\": 1}"));
        page.space();
        page.table(&table);
        page.append(&Page::from("\u{1b}]0;x\u{7}\r\u{202e}"));
        assert_eq!(
            page.as_str(),
            "holds: x\\n{\"_aws\": 1}\n\n  NAME\n  a\\u{2028}b\\nc\n\\u{1b}]0;x\\u{7}\\r\\u{202e}\n"
        );
        assert_eq!(page.as_str().lines().count(), 5);
    }
}
