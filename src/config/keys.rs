//! Which keys exist, and which one was probably meant.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use super::written::{
    Assert, BackupAccount, Drill, Export, Keys, Limits, Lock, Notify, Recipient, Repository,
    Snapshot, Source, SourceAccount, Written,
};

/// A table of the file and the keys it may hold.
pub struct Table {
    /// Empty for the file itself.
    pub name: &'static str,
    pub keys: &'static [&'static str],
    /// Written `[[name]]`, any number of times.
    pub repeated: bool,
}

/// All tables, the file itself first.
pub fn tables() -> [Table; 14] {
    let table = |name, keys, repeated| Table {
        name,
        keys,
        repeated,
    };
    [
        table("", fields::<Written>(), false),
        table("repository", fields::<Repository>(), false),
        table("source_account", fields::<SourceAccount>(), false),
        table("backup_account", fields::<BackupAccount>(), false),
        table("keys", fields::<Keys>(), false),
        table("recipient", fields::<Recipient>(), true),
        table("lock", fields::<Lock>(), false),
        table("export", fields::<Export>(), false),
        table("snapshot", fields::<Snapshot>(), false),
        table("drill", fields::<Drill>(), false),
        table("drill.assert", fields::<Assert>(), true),
        table("limits", fields::<Limits>(), false),
        table("notify", fields::<Notify>(), false),
        table("source", fields::<Source>(), true),
    ]
}

/// A key that no table knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `lock.dayly_days`
    pub path: String,
    /// The full path of the nearest known key.
    pub nearest: String,
    /// Where it stands: an offset into the text, in bytes.
    pub offset: usize,
}

/// The first unknown key, in the order of the text.
pub fn first_unknown(file: &DeTable<'_>) -> Option<Unknown> {
    let tables = tables();
    let mut found = Vec::new();
    look(file, &tables[0], &tables, &mut found);
    for table in &tables[1..] {
        let Some(value) = value_of(file, table.name) else {
            continue;
        };
        match value {
            DeValue::Table(inner) => look(inner, table, &tables, &mut found),
            DeValue::Array(several) => {
                for inner in several.iter().filter_map(|one| one.get_ref().as_table()) {
                    look(inner, table, &tables, &mut found);
                }
            }
            _ => {}
        }
    }
    found.into_iter().min_by_key(|unknown| unknown.offset)
}

/// The value of `table` or of `table.inner`.
pub fn value_of<'a>(file: &'a DeTable<'a>, name: &str) -> Option<&'a DeValue<'a>> {
    match name.split_once('.') {
        None => file.get(name).map(|value| value.get_ref()),
        Some((outer, inner)) => {
            let table = file.get(outer)?.get_ref().as_table()?;
            table.get(inner).map(|value| value.get_ref())
        }
    }
}

fn look(inner: &DeTable<'_>, table: &Table, tables: &[Table], found: &mut Vec<Unknown>) {
    for key in inner.keys() {
        let name = key.get_ref().as_ref();
        if !table.keys.contains(&name) {
            found.push(Unknown {
                path: path(table.name, name),
                nearest: nearest(table, name, tables),
                offset: key.span().start,
            });
        }
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

fn path(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// The path of the value that covers this offset of the text.
pub fn path_at(file: &DeTable<'_>, offset: usize) -> Option<String> {
    let (key, value) = file.iter().find(|(key, value)| {
        let inside = |span: std::ops::Range<usize>| span.contains(&offset);
        inside(key.span()) || inside(value.span()) || holds(value.get_ref(), offset)
    })?;
    let inner = match value.get_ref() {
        DeValue::Table(inner) => path_at(inner, offset),
        DeValue::Array(several) => several
            .iter()
            .filter_map(|one| one.get_ref().as_table())
            .find_map(|inner| path_at(inner, offset)),
        _ => None,
    };
    Some(match inner {
        Some(inner) => path(key.get_ref(), &inner),
        None => key.get_ref().to_string(),
    })
}

/// A table's own span may be its header alone: its entries are asked too.
fn holds(value: &DeValue<'_>, offset: usize) -> bool {
    match value {
        DeValue::Table(inner) => path_at(inner, offset).is_some(),
        DeValue::Array(several) => several.iter().any(|one| holds(one.get_ref(), offset)),
        _ => false,
    }
}

/// The names of a struct's fields, as serde knows them.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Names<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("only the names were asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("not a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    // The error is the one made above; the names are the result.
    let _ = T::deserialize(Names(&mut names));
    names
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

    #[test]
    fn a_value_is_found_by_its_offset() {
        let text = "[lock]\ndaily_days = 'x'\n\n[[source]]\nname = 'a'\n[[source]]\nname = 7\n";
        let file = DeTable::parse(text).unwrap();
        let at = |needle: &str| path_at(file.get_ref(), text.find(needle).unwrap());
        assert_eq!(at("'x'").as_deref(), Some("lock.daily_days"));
        assert_eq!(at("7").as_deref(), Some("source.name"));
    }
}
