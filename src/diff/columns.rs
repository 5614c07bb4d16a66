//! Which values of two tables' rows are compared: rows hold their columns in the order of their table, and a
//! column may have come, gone or moved.

use crate::error::{Error, Result};

/// What all tables have, in the order of the first one, and what some lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub compared: Vec<String>,
    pub left_out: Vec<String>,
}

impl Columns {
    /// `None`: there is no column that all have, though some have any.
    pub(super) fn shared_by(tables: &[&[String]]) -> Option<Self> {
        let first = tables.first().copied().unwrap_or_default();
        let in_all = |column: &&String| tables.iter().all(|table| table.contains(column));
        let compared: Vec<String> = first.iter().filter(in_all).cloned().collect();
        let mut left_out: Vec<String> = Vec::new();
        for column in tables.iter().flat_map(|table| table.iter()) {
            if !compared.contains(column) && !left_out.contains(column) {
                left_out.push(column.clone());
            }
        }
        let any = !compared.is_empty() || left_out.is_empty();
        any.then_some(Self { compared, left_out })
    }

    /// How rows of these columns become comparable.
    pub(super) fn projection(&self, of: &[String]) -> Projection {
        if *of == self.compared {
            return Projection::default();
        }
        let place = |column: &String| of.iter().position(|one| one == column);
        let places = self.compared.iter().filter_map(place).collect();
        Projection(Some((places, of.len())))
    }
}

/// Where the values that are compared stand in a row of so many columns; `None`: as the row stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Projection(Option<(Vec<usize>, usize)>);

impl Projection {
    /// The comparable row, its newline included, of a row with its newline. `buffer` may hold it.
    pub(super) fn apply<'a>(&self, row: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let Some((places, columns)) = &self.0 else {
            return Ok(row);
        };
        // In COPY text a tab inside a value is written as \t.
        let text = row.strip_suffix(b"\n").unwrap_or(row);
        let values: Vec<&[u8]> = text.split(|byte| *byte == b'\t').collect();
        if values.len() != *columns {
            return Err(Error::damaged("a row has another number of columns"));
        }
        buffer.clear();
        for (number, place) in places.iter().enumerate() {
            if number > 0 {
                buffer.push(b'\t');
            }
            buffer.extend_from_slice(values[*place]);
        }
        buffer.push(b'\n');
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[track_caller]
    fn projected(columns: &Columns, of: &[&str], row: &[u8], expected: &[u8]) {
        let mut buffer = Vec::new();
        let projection = columns.projection(&names(of));
        assert_eq!(projection.apply(row, &mut buffer).unwrap(), expected);
    }

    #[test]
    fn what_both_have_is_compared_in_one_order() {
        let (one, other) = (names(&["a", "b", "gone"]), names(&["b", "new", "a"]));
        let columns = Columns::shared_by(&[&one, &other]).unwrap();
        assert_eq!(columns.compared, ["a", "b"]);
        assert_eq!(columns.left_out, ["gone", "new"]);
        projected(&columns, &["a", "b"], b"1\t\\N\n", b"1\t\\N\n");
        projected(&columns, &["a", "b", "gone"], b"1\t2\tx\n", b"1\t2\n");
        projected(&columns, &["b", "new", "a"], b"2\t\t1\n", b"1\t2\n");
        let wrong = columns.projection(&other);
        assert!(wrong.apply(b"1\t2\n", &mut Vec::new()).is_err());
    }

    #[test]
    fn tables_without_columns_are_equal_and_tables_without_a_shared_one_are_not() {
        let none: &[String] = &[];
        let columns = Columns::shared_by(&[none, none]).unwrap();
        projected(&columns, &[], b"\n", b"\n");
        let (one, other) = (names(&["a"]), names(&["b"]));
        assert_eq!(Columns::shared_by(&[&one, &other]), None);
        assert_eq!(Columns::shared_by(&[&one, none]), None);
    }

    #[test]
    fn foreign_rows_are_projected_to_whole_rows_or_refused() {
        let (one, other) = (names(&["a", "b", "gone"]), names(&["b", "a"]));
        let columns = Columns::shared_by(&[&other, &one]).unwrap();
        let projection = columns.projection(&one);
        crate::foreign::each("rows", |rows| {
            let mut buffer = Vec::new();
            for row in rows.split_inclusive(|byte| *byte == b'\n') {
                if let Ok(projected) = projection.apply(row, &mut buffer) {
                    assert_eq!(row.iter().filter(|byte| **byte == b'\t').count(), 2);
                    assert_eq!(projected.iter().filter(|byte| **byte == b'\t').count(), 1);
                    assert!(projected.ends_with(b"\n"));
                }
            }
        });
    }
}
