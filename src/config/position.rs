//! Where in the configuration file something is wrong.

use std::path::Path;

use toml::de::DeTable;

use super::known_keys::{self, path};
use super::rules::KeyError;
use crate::error::{Error, Result};

/// The text of a configuration file, parsed once for the positions of its keys.
pub(crate) struct Positions<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Positions<'a> {
    /// Refuses text that is not TOML.
    pub(crate) fn parse(text: &'a str, file: &'a Path) -> Result<Self> {
        let table = DeTable::parse(text).map_err(|why| {
            let line = line_of(text, why.span().map_or(0, |span| span.start));
            let cause = Error::usage(format!("not TOML: {}", one_line(why.message())));
            Error::usage(format!("{}:{line}", file.display()))
                .because(cause)
                .hint("text values stand in quotes, tables in [brackets]")
        })?;
        Ok(Self {
            file,
            text,
            table: table.into_inner(),
        })
    }

    /// Refuses a key that no table knows.
    pub(crate) fn check_keys(&self) -> Result<()> {
        let Some(unknown) = known_keys::first_unknown(&self.table) else {
            return Ok(());
        };
        let line = line_of(self.text, unknown.offset);
        let error = Error::usage(format!(
            "{}:{line}: unknown key '{}'",
            self.file.display(),
            unknown.path.escape_debug()
        ));
        let secret = unknown.path.starts_with("source.pass") && !unknown.path.contains("file");
        Err(if secret {
            error.hint("a password does not belong into this file: put it into one of its own (mode 0600) and name that: source.password_file")
        } else {
            error.hint(format!("the nearest known key is '{}'", unknown.nearest))
        })
    }

    /// Adds file, line and key to serde's error: a value of the wrong type, a missing key.
    pub(crate) fn typed(&self, why: &toml::de::Error) -> Error {
        let offset = why.span().map_or(0, |span| span.start);
        let line = line_of(self.text, offset);
        let cause = Error::usage(one_line(why.message()));
        let what = match path_at(&self.table, offset) {
            Some(path) => format!("{}:{line}: {path}", self.file.display()),
            None => format!("{}:{line}", self.file.display()),
        };
        Error::usage(what).because(cause)
    }

    /// Adds file, line and key to the error of resolving `[table]`.
    pub(crate) fn table<T>(&self, table: &str, resolved: Result<T, KeyError>) -> Result<T> {
        resolved.map_err(|error| self.locate(table, 0, error))
    }

    /// Resolves each `[[table]]`, and adds file, line and key to the error of one.
    pub(crate) fn each<R, T>(
        &self,
        table: &str,
        raw: impl IntoIterator<Item = R>,
        mut resolve: impl FnMut(R) -> Result<T, KeyError>,
    ) -> Result<Vec<T>> {
        raw.into_iter()
            .enumerate()
            .map(|(index, one)| resolve(one).map_err(|error| self.locate(table, index, error)))
            .collect()
    }

    fn locate(&self, table: &str, index: usize, (key, error): KeyError) -> Error {
        let file = self.file.display();
        let what = match self.offset(table, index, key) {
            Some(offset) => format!("{file}:{}: {table}.{key}", line_of(self.text, offset)),
            None => format!("{file}: {table}.{key}"),
        };
        Error::usage(what).because(error)
    }

    fn offset(&self, table: &str, index: usize, key: &str) -> Option<usize> {
        let tables = known_keys::named(&self.table, table);
        let (key, _) = tables.get(index)?.get_key_value(key)?;
        Some(key.span().start)
    }
}

/// The path of the value that covers this offset of the text.
fn path_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        // A table's own span may be its header alone: its entries are asked first.
        let mut tables = known_keys::tables_in(value.get_ref()).into_iter();
        let inner = tables.find_map(|table| path_at(table, offset));
        let covers = key.span().contains(&offset) || value.span().contains(&offset);
        match inner {
            Some(inner) => Some(path(key.get_ref(), &inner)),
            None => covers.then(|| key.get_ref().to_string()),
        }
    })
}

/// Lines are counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    memchr::memchr_iter(b'\n', before).count() + 1
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_offset() {
        let text = "[lock]\ndaily_days = 'x'\n\n[[source]]\nname = 'a'\n[[source]]\nname = 7\n";
        let file = DeTable::parse(text).unwrap();
        let at = |needle: &str| path_at(file.get_ref(), text.find(needle).unwrap());
        assert_eq!(at("'x'").as_deref(), Some("lock.daily_days"));
        assert_eq!(at("7").as_deref(), Some("source.name"));
    }
}
