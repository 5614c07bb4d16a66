//! Names of objects as psql's patterns: `*` is any text, `?` any character, letters are folded to lower case, and
//! within "quotes" all stands for itself.

use crate::error::{Error, Result};

/// What is looked for, and where: a part that is missing is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As it was typed.
    pub text: String,
    /// The one database that it is about.
    pub database: Option<String>,
    pub schema: Option<NamePattern>,
    pub name: NamePattern,
}

/// What an export leaves out, all of it or its rows alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclude {
    /// Tables, views, materialized views, foreign tables and sequences.
    pub tables: Vec<Pattern>,
    /// Tables, and materialized views, that come without rows.
    pub table_data: Vec<Pattern>,
    /// Schemas with all that is in them.
    pub schemas: Vec<Pattern>,
}

impl Exclude {
    pub(crate) fn add(&mut self, more: &Self) {
        self.tables.extend(more.tables.iter().cloned());
        self.table_data.extend(more.table_data.iter().cloned());
        self.schemas.extend(more.schemas.iter().cloned());
    }

    /// Databases that a pattern names.
    pub(crate) fn databases(&self) -> impl Iterator<Item = (&Pattern, &str)> {
        let patterns = self.tables.iter().chain(&self.table_data);
        let patterns = patterns.chain(&self.schemas);
        patterns.filter_map(|pattern| Some((pattern, pattern.database.as_deref()?)))
    }
}

/// One name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamePattern {
    /// A regular expression of PostgreSQL's, for the whole name.
    pub regex: String,
    /// Without quotes, folded: what it would be as a name.
    pub plain: String,
    /// Something in it stands for other text.
    wild: bool,
}

impl Pattern {
    /// `[[database.]schema.]relation`
    pub fn of_relation(text: &str) -> Result<Self> {
        let [database, schema, name] = parts(text, "database.schema.table")?;
        Self::new(text, database, schema, name)
    }

    /// `[database.]schema`
    pub fn of_schema(text: &str) -> Result<Self> {
        let [database, name] = parts(text, "database.schema")?;
        Self::new(text, database, None, name)
    }

    fn new(
        text: &str,
        database: Option<NamePattern>,
        schema: Option<NamePattern>,
        name: Option<NamePattern>,
    ) -> Result<Self> {
        if database.as_ref().is_some_and(|database| database.wild) {
            return Err(wrong(text, "its database is no plain name")
                .hint("name one database, or leave it out: then each must have a match"));
        }
        Ok(Self {
            text: text.to_owned(),
            database: database.map(|database| database.plain),
            schema,
            name: name.unwrap_or_default(),
        })
    }

    /// Whether it is about this database.
    pub fn is_for(&self, database: &str) -> bool {
        self.database.as_ref().is_none_or(|one| one == database)
    }

    /// What it would be as the name of something in a schema: the schema is empty where none was typed.
    pub(crate) fn plain(&self) -> (&str, &str) {
        let schema = self.schema.as_ref();
        (
            schema.map_or("", |schema| schema.plain.as_str()),
            &self.name.plain,
        )
    }
}

fn wrong(text: &str, why: &str) -> Error {
    Error::usage(format!("'{}': {why}", text.escape_debug()))
}

/// The parts between dots, the last one last.
fn parts<const MOST: usize>(text: &str, form: &str) -> Result<[Option<NamePattern>; MOST]> {
    let mut found = split(text)?;
    let is_empty = |part: &NamePattern| part.plain.is_empty();
    if found.len() > MOST || found.iter().any(is_empty) {
        let hint = format!("write {form}, with \"quotes\" around a name that holds a dot");
        return Err(wrong(text, "is no name").hint(hint));
    }
    let mut parts = [const { None }; MOST];
    for part in parts.iter_mut().rev() {
        *part = found.pop();
    }
    Ok(parts)
}

/// As psql's patternToSQLRegex reads it.
fn split(text: &str) -> Result<Vec<NamePattern>> {
    let mut parts = vec![NamePattern::default()];
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(one) = rest.next() {
        let next = rest.peek().copied();
        let part = match parts.last_mut() {
            Some(_) if one == '.' && !quoted => {
                parts.push(NamePattern::default());
                continue;
            }
            Some(part) => part,
            None => continue,
        };
        match one {
            '"' if quoted && next == Some('"') => {
                rest.next();
                part.put("\"", '"');
            }
            '"' => quoted = !quoted,
            '*' if !quoted => part.put_wild(".*", one),
            '?' if !quoted => part.put_wild(".", one),
            // Never an end of text.
            '$' => part.put("\\$", one),
            // An array's name, no empty set.
            '[' if !quoted && next == Some(']') => part.put("\\[", one),
            _ if quoted && "|*+?()[]{}.^\\".contains(one) => part.put(&format!("\\{one}"), one),
            _ if quoted => part.put(&one.to_string(), one),
            _ if "|+()[]{}^\\".contains(one) => part.put_wild(&one.to_string(), one),
            _ => {
                let folded = one.to_ascii_lowercase();
                part.put(&folded.to_string(), folded);
            }
        }
    }
    if quoted {
        return Err(wrong(text, "a quote is not closed").hint("two quotes stand for one in a name"));
    }
    for part in &mut parts {
        part.regex = format!("^({})$", part.regex);
    }
    Ok(parts)
}

impl NamePattern {
    fn put(&mut self, regex: &str, plain: char) {
        self.regex.push_str(regex);
        self.plain.push(plain);
    }

    fn put_wild(&mut self, regex: &str, plain: char) {
        self.put(regex, plain);
        self.wild = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regexes(text: &str) -> (Option<String>, Option<String>, String) {
        let pattern = Pattern::of_relation(text).unwrap();
        let schema = pattern.schema.map(|schema| schema.regex);
        (pattern.database, schema, pattern.name.regex)
    }

    #[test]
    fn a_pattern_means_what_it_means_to_psql() {
        let of = |schema: &str, name: &str| (None, Some(schema.to_owned()), name.to_owned());
        let alone = |name: &str| (None, None, name.to_owned());
        assert_eq!(regexes("Audit*"), alone("^(audit.*)$"));
        assert_eq!(regexes(r#""Audit*""#), alone(r"^(Audit\*)$"));
        assert_eq!(regexes(r#"a"B"C?"#), alone("^(aBc.)$"));
        assert_eq!(regexes(r#""a""b.c""#), alone(r#"^(a"b\.c)$"#));
        assert_eq!(regexes("log.*"), of("^(log)$", "^(.*)$"));
        assert_eq!(regexes("a$b"), alone(r"^(a\$b)$"));
        assert_eq!(regexes("t_[0-9]+"), alone("^(t_[0-9]+)$"));
        assert_eq!(regexes("a|b"), alone("^(a|b)$"));
        assert_eq!(regexes("a[]"), alone(r"^(a\[])$"));
        let (database, schema, name) = regexes(r#""Shop".s.T"#);
        assert_eq!(database.as_deref(), Some("Shop"));
        assert_eq!(schema.as_deref(), Some("^(s)$"));
        assert_eq!(name, "^(t)$");
        let schema = Pattern::of_schema("shop.log*").unwrap();
        assert_eq!(schema.database.as_deref(), Some("shop"));
        assert!(schema.is_for("shop") && !schema.is_for("other"));
        assert_eq!(schema.name.regex, "^(log.*)$");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, why) in [
            ("", "is no name"),
            ("a.", "is no name"),
            (".a", "is no name"),
            ("a.b.c.d", "is no name"),
            ("\"a", "a quote is not closed"),
            ("d*.s.t", "its database is no plain name"),
        ] {
            let error = Pattern::of_relation(text).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        assert!(Pattern::of_schema("a.b.c").is_err());
    }
}
