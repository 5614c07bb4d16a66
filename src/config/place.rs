//! Where in the file something is wrong.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys;
use crate::error::Error;

/// The text of a configuration file, parsed once for its positions.
pub struct Place<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Place<'a> {
    /// Refuses text that is not TOML.
    pub fn new(text: &'a str, file: &'a Path) -> Result<Self, Error> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self {
                file,
                text,
                table: table.into_inner(),
            }),
            Err(why) => {
                let line = line_of(text, why.span().map_or(0, |span| span.start));
                Err(Error::usage(format!("{}:{line}", file.display()))
                    .because(Error::usage(format!(
                        "not TOML: {}",
                        one_line(why.message())
                    )))
                    .hint("text values stand in quotes, tables in [brackets]"))
            }
        }
    }

    pub fn unknown_key(&self) -> Option<Error> {
        let unknown = keys::first_unknown(&self.table)?;
        let line = line_of(self.text, unknown.offset);
        let error = Error::usage(format!(
            "{}:{line}: unknown key '{}'",
            self.file.display(),
            unknown.path.escape_debug()
        ));
        let secret = unknown.path.starts_with("source.pass") && !unknown.path.contains("file");
        Some(if secret {
            error.hint("a password does not belong into this file: put it into one of its own (mode 0600) and name that: source.password_file")
        } else {
            error.hint(format!("the nearest known key is '{}'", unknown.nearest))
        })
    }

    /// An error of the typed reading: a value of the wrong type, a missing key.
    pub fn typed(&self, why: &toml::de::Error) -> Error {
        let offset = why.span().map_or(0, |span| span.start);
        let line = line_of(self.text, offset);
        let cause = Error::usage(one_line(why.message()));
        let what = match keys::path_at(&self.table, offset) {
            Some(path) => format!("{}:{line}: {path}", self.file.display()),
            None => format!("{}:{line}", self.file.display()),
        };
        Error::usage(what).because(cause)
    }

    /// Adds file, line and key to an error about `table.key`.
    pub fn at(&self, table: &str, key: &str, error: Error) -> Error {
        self.nth(table, 0, key, error)
    }

    /// The same for the `index`th of several `[[table]]`.
    pub fn nth(&self, table: &str, index: usize, key: &str, error: Error) -> Error {
        let file = self.file.display();
        let what = match self.offset(table, index, key) {
            Some(offset) => format!("{file}:{}: {table}.{key}", line_of(self.text, offset)),
            None => format!("{file}: {table}.{key}"),
        };
        Error::usage(what).because(error)
    }

    fn offset(&self, table: &str, index: usize, key: &str) -> Option<usize> {
        let inner = match keys::value_of(&self.table, table)? {
            DeValue::Table(inner) => inner,
            DeValue::Array(several) => several.get(index)?.get_ref().as_table()?,
            _ => return None,
        };
        let (key, _) = inner.get_key_value(key)?;
        Some(key.span().start)
    }
}

/// Lines are counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    memchr::memchr_iter(b'\n', before).count() + 1
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
