//! Rows of COPY text in another form. Each part has a writer of its own, on its own thread; a row as long as
//! any may be is held once.

use super::format::Format;
use super::text::Blocks;
use super::{csv, jsonl};
use crate::error::{Error, Result};

/// What psql takes for the end of the rows, before a carriage return, too. No server prints it as a value, where
/// it is `\\.`, nor CR and NUL as they are.
const END: &[u8] = b"\\.";

/// How rows of one table become rows of the output.
pub(super) struct RowFormat {
    pub format: Format,
    /// Columns in a stored row.
    pub stored: usize,
    /// Where each column of the output stands in a stored row.
    pub places: Vec<usize>,
    /// Of JSON Lines, in the output's order.
    pub keys: Vec<jsonl::Key>,
}

impl RowFormat {
    fn is_as_stored(&self) -> bool {
        let whole = (0..self.stored).eq(self.places.iter().copied());
        whole && matches!(self.format, Format::Copy | Format::Sql)
    }

    /// Writes whole rows.
    fn write(&self, rows: &[u8], out: &mut Blocks<'_>) -> Result<()> {
        let lines = || rows.split_inclusive(|byte| *byte == b'\n');
        if self.format == Format::Sql && memchr::memchr2(b'\r', 0, rows).is_some() {
            return Err(ends_the_rows());
        }
        if self.is_as_stored() {
            if self.format == Format::Sql && lines().any(|row| row == b"\\.\n") {
                return Err(ends_the_rows());
            }
            return out.push(rows);
        }
        if self.format == Format::Jsonl && std::str::from_utf8(rows).is_err() {
            let why = "it holds bytes that are no UTF-8, as JSON must be";
            return Err(Error::refused(why).hint("--format csv and copy carry bytes as they are"));
        }
        let mut values = Vec::with_capacity(self.stored);
        for row in lines() {
            let row = row.strip_suffix(b"\n").unwrap_or(row);
            values.clear();
            if self.stored > 0 {
                values.extend(row.split(|byte| *byte == b'\t'));
            }
            if values.len() != self.stored || (self.stored == 0 && !row.is_empty()) {
                let (found, stored) = (values.len(), self.stored);
                return Err(Error::damaged(format!(
                    "a row in it has {found} values, and the table {stored} columns"
                )));
            }
            self.write_row(&values, out)?;
        }
        Ok(())
    }

    fn write_row(&self, values: &[&[u8]], out: &mut Blocks<'_>) -> Result<()> {
        let chosen = self.places.iter().map(|place| values[*place]);
        let only = self.places.len() == 1;
        match self.format {
            Format::Jsonl => return jsonl::write_row(&self.keys, chosen, out),
            Format::Csv => {
                for (at, value) in chosen.enumerate() {
                    out.push(if at > 0 { b"," } else { b"" })?;
                    csv::write_value(value, only, out)?;
                }
            }
            Format::Copy | Format::Sql => {
                for (at, value) in chosen.enumerate() {
                    if value == END && self.format == Format::Sql {
                        return Err(ends_the_rows());
                    }
                    out.push(if at > 0 { b"\t" } else { b"" })?;
                    out.push(value)?;
                }
            }
        }
        out.push(b"\n")
    }
}

fn ends_the_rows() -> Error {
    Error::damaged("a value in it is none that a server prints, and would end the rows for psql")
}

/// Takes blocks that are cut anywhere, and writes whole rows.
pub(super) struct RowWriter<'a> {
    format: &'a RowFormat,
    /// The row whose end has not come.
    begun: Vec<u8>,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(format: &'a RowFormat) -> Self {
        Self {
            format,
            begun: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, block: &[u8], out: &mut Blocks<'_>) -> Result<()> {
        let Some(end) = memchr::memrchr(b'\n', block) else {
            self.begun.extend_from_slice(block);
            return Ok(());
        };
        let (whole, rest) = block.split_at(end + 1);
        if self.begun.is_empty() {
            self.format.write(whole, out)?;
        } else {
            self.begun.extend_from_slice(whole);
            self.format.write(&self.begun, out)?;
        }
        // Not cleared: a row as wide as the server can send must not keep its memory.
        self.begun = rest.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::BLOCK_BYTES;
    use super::super::text::tests::written;
    use super::*;
    use crate::error::Kind;

    fn text(format: Format, stored: usize, places: &[usize]) -> RowFormat {
        RowFormat {
            format,
            stored,
            places: places.to_vec(),
            keys: Vec::new(),
        }
    }

    fn write(format: &RowFormat, rows: &[u8], block: usize) -> Result<Vec<u8>> {
        written(|out| {
            let mut writer = RowWriter::new(format);
            rows.chunks(block)
                .try_for_each(|block| writer.take(block, out))
        })
    }

    #[test]
    fn rows_may_be_cut_anywhere_and_columns_chosen_in_any_order() {
        let rows = b"1\ta\\tb\t\\N\n2\t\tc\n";
        for block in [1, 2, 3, 5, 100] {
            let as_stored = write(&text(Format::Copy, 3, &[0, 1, 2]), rows, block).unwrap();
            assert_eq!(as_stored, rows);
            let chosen = write(&text(Format::Copy, 3, &[2, 0]), rows, block).unwrap();
            assert_eq!(chosen, b"\\N\t1\nc\t2\n");
            let csv = write(&text(Format::Csv, 3, &[1, 2]), rows, block).unwrap();
            assert_eq!(csv, b"a\tb,\n\"\",c\n");
        }
        let none = write(&text(Format::Csv, 0, &[]), b"\n\n", 1).unwrap();
        assert_eq!(none, b"\n\n");
    }

    #[test]
    fn a_row_longer_than_a_block_passes_whole() {
        let long = [vec![b'x'; 3 * BLOCK_BYTES], b"\t,\n".to_vec()].concat();
        let csv = write(&text(Format::Csv, 2, &[0, 1]), &long, 4096).unwrap();
        let end = [&long[..3 * BLOCK_BYTES], b",\",\"\n"].concat();
        assert!(csv == end);
    }

    #[test]
    fn rows_of_other_columns_and_what_would_end_the_rows_are_refused() {
        for rows in [&b"1\n"[..], b"1\t2\t3\n"] {
            assert!(write(&text(Format::Csv, 2, &[0, 1]), rows, 9).is_err());
        }
        assert!(write(&text(Format::Csv, 0, &[]), b"x\n", 9).is_err());
        for rows in [&b"1\n\\.\n"[..], b"\\.\n\\! ls\n"] {
            assert!(write(&text(Format::Sql, 1, &[0]), rows, 2).is_err());
        }
        assert!(write(&text(Format::Sql, 2, &[1]), b"1\t\\.\n", 9).is_err());
        for rows in [&b"1\n\\.\r\n\\! ls\n"[..], b"\\.\r\n", b"a\rb\n", b"a\0b\n"] {
            let refused = write(&text(Format::Sql, 1, &[0]), rows, 9).unwrap_err();
            assert_eq!(refused.kind(), Kind::Damaged);
            assert!(write(&text(Format::Copy, 1, &[0]), rows, 9).is_ok());
        }
        for rows in [&b"1\t\\.\r\n"[..], b"1\t\0\n"] {
            assert!(write(&text(Format::Sql, 2, &[1]), rows, 9).is_err());
        }
        assert!(write(&text(Format::Sql, 1, &[0]), b"\\\\.\n", 9).is_ok());
    }

    #[test]
    fn foreign_rows_become_as_many_rows_in_every_form_or_are_refused() {
        let types = ["integer", "jsonb", "text"];
        let keys = || types.map(|of| jsonl::Key::new("a", Some(of))).into();
        crate::foreign::each("rows", |rows| {
            let lines = rows.iter().filter(|byte| **byte == b'\n').count();
            for format in [Format::Copy, Format::Sql, Format::Csv, Format::Jsonl] {
                let of_three = RowFormat {
                    keys: keys(),
                    ..text(format, 3, &[2, 0, 1])
                };
                let whole = write(&of_three, rows, usize::MAX);
                let Ok(whole) = whole else { continue };
                // A byte becomes six where JSON writes it as \u0001, and each value has its key.
                assert!(whole.len() <= 6 * rows.len() + 20 * lines, "{format:?}");
                assert_eq!(write(&of_three, rows, 3).unwrap(), whole);
                if format == Format::Jsonl {
                    let text = std::str::from_utf8(&whole).unwrap();
                    assert_eq!(text.lines().count(), lines);
                    for line in text.lines() {
                        serde_json::from_str::<serde::de::IgnoredAny>(line).unwrap();
                    }
                }
            }
            let as_stored = write(&text(Format::Copy, 3, &[0, 1, 2]), rows, 5).unwrap();
            assert_eq!(as_stored, rows[..as_stored.len()]);
        });
    }
}
