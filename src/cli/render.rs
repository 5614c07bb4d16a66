//! Text for people: a page of lines, and tables. A value cannot end a line here, as there is
//! no way to write more than one at a time: a value with a line break would otherwise write the
//! lines after it, and a log that counts lines would believe them.

use std::fmt::{Display, Write as _};

use crate::escape::{OneLine, one_line};
pub(super) use crate::humanize::{bytes, count, counted, duration, rough, seconds, time};

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

    /// A line for each row, without spaces at its end, and two in front: a value in the first cell does
    /// not begin a line. Columns are as wide as their widest cell. `headers` are divided by ` | `; one
    /// that begins with `>` makes its column lean right, for numbers.
    pub(super) fn table<const N: usize>(
        &mut self,
        headers: &str,
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let headers: Vec<&str> = headers.split(" | ").collect();
        let names = headers
            .iter()
            .map(|header| header.trim_start_matches('>').into());
        let mut lines: Vec<Vec<String>> = vec![names.collect()];
        let plain = |cells: [String; N]| -> Vec<String> {
            cells.iter().map(|cell| one_line(cell).into()).collect()
        };
        lines.extend(rows.into_iter().map(plain));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headers.len()).map(width).collect();
        for cells in &lines {
            let columns = cells.iter().zip(&headers).zip(&widths);
            let cells = columns.map(|((cell, header), width)| match header.starts_with('>') {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            self.text += "  ";
            self.text += line.trim_end();
            self.text += "\n";
        }
    }

    /// A table, or a line where there is no row.
    pub(super) fn table_or<const N: usize>(
        &mut self,
        headers: &str,
        rows: impl IntoIterator<Item = [String; N]>,
        none: impl Display,
    ) {
        let mut rows = rows.into_iter().peekable();
        match rows.peek() {
            Some(_) => self.table(headers, rows),
            None => self.line(none),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_hold_hostile_names() {
        let mut page = Page::default();
        let rows = [["courses", "1,943,200"], ["x\n\u{1b}[2J", "7"]];
        let rows = rows.map(|cells| cells.map(str::to_owned));
        page.table_or("DATABASE | >ROWS", rows, "none");
        page.table_or("DATABASE | >ROWS", Vec::<[String; 2]>::new(), "none");
        let lines: Vec<&str> = page.as_str().lines().collect();
        assert_eq!(lines[3..], ["none"]);
        assert_eq!(lines[1], "  courses       1,943,200");
        assert_eq!(lines[2], "  x\\n\\u{1b}[2J          7");
    }

    #[test]
    fn no_value_ends_a_line_of_a_page() {
        let mut page = Page::from(format_args!("holds: {}", "x\n{\"_aws\": 1}"));
        page.space();
        page.table("NAME", [["a\u{2028}b\nc".to_owned()]]);
        page.append(&Page::from("\u{1b}]0;x\u{7}\r\u{202e}"));
        assert_eq!(
            page.as_str(),
            "holds: x\\n{\"_aws\": 1}\n\n  NAME\n  a\\u{2028}b\\nc\n\\u{1b}]0;x\\u{7}\\r\\u{202e}\n"
        );
        assert_eq!(page.as_str().lines().count(), 5);
    }
}
