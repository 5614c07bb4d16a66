//! Which keys exist, and which one was probably meant.

use toml::de::{DeTable, DeValue};

use super::raw::{Table, tables};

/// A key that no table knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// `lock.dayly_days`
    pub path: String,
    /// The full path of the nearest known key.
    pub nearest: String,
    /// Where it stands: an offset into the text, in bytes.
    pub offset: usize,
}

/// The first unknown key, in the order of the text.
pub(super) fn first_unknown(file: &DeTable<'_>) -> Option<Unknown> {
    let known = tables();
    let unknown = known.iter().flat_map(|table| {
        let keys = named(file, table.name).into_iter().flat_map(DeTable::keys);
        let keys = keys.filter(|key| !table.keys.contains(&key.get_ref().as_ref()));
        keys.map(|key| Unknown {
            path: path(table.name, key.get_ref()),
            nearest: nearest(table, key.get_ref(), &known),
            offset: key.span().start,
        })
    });
    unknown.min_by_key(|unknown| unknown.offset)
}

/// All tables of this name, such as `source` or `drill.assert`; the file itself has none.
pub(super) fn named<'a>(file: &'a DeTable<'a>, name: &str) -> Vec<&'a DeTable<'a>> {
    name.split('.')
        .filter(|part| !part.is_empty())
        .fold(vec![file], |tables, part| {
            let values = tables.iter().filter_map(|table| table.get(part));
            values
                .flat_map(|value| tables_in(value.get_ref()))
                .collect()
        })
}

/// The tables that a value is or lists.
pub(super) fn tables_in<'a>(value: &'a DeValue<'a>) -> Vec<&'a DeTable<'a>> {
    match value {
        DeValue::Table(table) => vec![table],
        DeValue::Array(several) => several
            .iter()
            .filter_map(|one| one.get_ref().as_table())
            .collect(),
        _ => Vec::new(),
    }
}

/// The same name in another table wins, then the most similar one, the same table before others.
fn nearest(table: &Table, name: &str, tables: &[Table]) -> String {
    let mut best = (0.0, String::new());
    for other in tables {
        for key in other.keys {
            let here = if other.name == table.name { 0.1 } else { 0.0 };
            let likeness = strsim::normalized_damerau_levenshtein(key, name) + here;
            if likeness > best.0 {
                best = (likeness, path(other.name, key));
            }
        }
    }
    best.1
}

/// `table.key`
pub(super) fn path(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str) -> Unknown {
        let file = DeTable::parse(text).unwrap();
        first_unknown(file.get_ref()).unwrap()
    }

    #[test]
    fn every_table_has_keys() {
        for table in tables() {
            assert!(!table.keys.is_empty(), "{}", table.name);
        }
    }

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        for (text, path, nearest) in [
            (
                "[lock]\ndayly_days = 1",
                "lock.dayly_days",
                "lock.daily_days",
            ),
            (
                "[export]\ndaily_days = 1",
                "export.daily_days",
                "lock.daily_days",
            ),
            (
                "[[source]]\npasword_file = 'x'",
                "source.pasword_file",
                "source.password_file",
            ),
            ("[repo]\nurl = 'x'", "repo", "repository"),
            ("[[recipients]]\nname = 'x'", "recipients", "recipient"),
            ("rate_limit = 'x'", "rate_limit", "export.rate_limit"),
        ] {
            let found = unknown(text);
            assert_eq!(
                (found.path.as_str(), found.nearest.as_str()),
                (path, nearest)
            );
        }
    }
}
