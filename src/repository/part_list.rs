//! A table's part list, read as a stream and held to what the signed manifest says of it.

use std::io::{BufRead, BufReader, Read};

use super::layout::MAX_PART_LINE_BYTES;
use crate::error::{Error, Result};
use crate::model::id::Key;
use crate::model::manifest::{Part, TableParts};

/// Iterates over a part list without holding it decompressed. Ends after its first error; a list
/// that ends before or goes on after the manifest's sums is such an error. By default of no parts.
#[derive(Default)]
pub struct PartListReader {
    open: Option<Open>,
}

struct Open {
    lines: BufReader<Box<dyn Read + Send>>,
    key: Key,
    /// What the manifest says and no part has covered yet.
    left: TableParts,
    /// Of the last part.
    number: Option<u64>,
}

impl PartListReader {
    pub(super) fn new(table: &TableParts, key: Key, lines: Box<dyn Read + Send>) -> Self {
        let left = TableParts {
            oid: 0,
            list: None,
            ..table.clone()
        };
        Self {
            open: Some(Open {
                lines: BufReader::new(lines),
                key,
                left,
                number: None,
            }),
        }
    }
}

impl Iterator for PartListReader {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Result<Part>> {
        let next = self.open.as_mut()?.next().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.open = None;
        }
        next
    }
}

impl Open {
    fn next(&mut self) -> Result<Option<Part>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.lines).take(MAX_PART_LINE_BYTES);
        if let Err(source) = limited.read_until(b'\n', &mut line) {
            return Err(self.damaged("does not read").because(source));
        }
        if line.is_empty() {
            return match self.left == TableParts::default() {
                true => Ok(None),
                false => Err(self.damaged("lists less than the manifest says")),
            };
        }
        let part: Part = serde_json::from_slice(&line)
            .map_err(|source| self.damaged("does not read").because(source))?;
        let number = part.number();
        if number.is_none() || number <= self.number {
            return Err(self.damaged("does not list its parts once each and in order"));
        }
        self.number = number;
        if self.take(&part).is_none() {
            return Err(self.damaged("lists more than the manifest says"));
        }
        Ok(Some(part))
    }

    fn take(&mut self, part: &Part) -> Option<()> {
        let left = &mut self.left;
        left.parts = left.parts.checked_sub(1)?;
        left.rows = left.rows.checked_sub(part.rows)?;
        left.stored_bytes = left.stored_bytes.checked_sub(part.object.bytes)?;
        left.copy_bytes = left.copy_bytes.checked_sub(part.copy_bytes)?;
        Some(())
    }

    fn damaged(&self, how: &str) -> Error {
        Error::damaged(format!("{} {how}", self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Sha256;
    use crate::model::manifest::ObjectRef;

    fn part(number: u64) -> Part {
        Part {
            object: ObjectRef {
                key: format!("parts/s/d/i/1/{number}.copy.zst.age")
                    .parse()
                    .unwrap(),
                version: "v".to_owned(),
                bytes: 10,
                sha256: Sha256::of(b""),
            },
            rows: 2,
            copy_bytes: 4,
        }
    }

    /// How many parts are read, and whether an error ends them. Two parts are promised.
    fn read(text: Vec<u8>) -> (usize, bool) {
        let table = TableParts {
            oid: 1,
            rows: 4,
            parts: 2,
            stored_bytes: 20,
            copy_bytes: 8,
            list: None,
        };
        let lines = Box::new(std::io::Cursor::new(text));
        let parts = PartListReader::new(&table, "list".parse().unwrap(), lines);
        let read: Vec<Result<Part>> = parts.collect();
        let sound = read.iter().filter(|part| part.is_ok()).count();
        (sound, sound < read.len())
    }

    fn lines(numbers: &[u64]) -> Vec<u8> {
        let lines = numbers
            .iter()
            .map(|number| serde_json::to_string(&part(*number)).unwrap() + "\n");
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn a_list_is_read_as_the_manifest_promised_it() {
        assert_eq!(read(lines(&[0, 1])), (2, false));
        assert_eq!(read(lines(&[3, 70])), (2, false));
    }

    #[test]
    fn a_list_with_more_less_or_twice_ends_with_one_error() {
        assert_eq!(read(lines(&[0])), (1, true), "less");
        assert_eq!(read(lines(&[])), (0, true), "nothing");
        assert_eq!(read(lines(&[0, 1, 2])), (2, true), "more");
        assert_eq!(read(lines(&[0, 0])), (1, true), "twice");
        assert_eq!(read(lines(&[1, 0])), (1, true), "not in order");
        assert_eq!(read(b"{}\n".repeat(1000)), (0, true), "no part");
        assert_eq!(read(vec![b'x'; 1_000_000]), (0, true), "no line");
    }

    #[test]
    fn foreign_lists_end_with_one_error_or_are_what_the_manifest_promised() {
        crate::foreign::each("parts", |text| {
            let (sound, failed) = read(text.to_vec());
            assert!(sound <= 2 && (failed || sound == 2), "{sound} parts");
        });
    }
}
