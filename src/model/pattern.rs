//! Names of objects as psql's patterns: `*` is any text, `?` any character, letters are folded to lower case, and
//! within "quotes" all stands for itself.

use std::fmt;
use std::str::FromStr;

use super::name::Name;
use crate::error::{Error, Result};
use crate::escape;
use crate::quote::quote_ident;

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
    pieces: Vec<Piece>,
}

/// As names at hand are compared, without a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Char(char),
    AnyChar,
    AnyText,
    /// Of a regular expression, which a server alone knows.
    Regex,
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
        if database.as_ref().is_some_and(NamePattern::is_wild) {
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
            '*' if !quoted => part.put_wild(".*", one, Piece::AnyText),
            '?' if !quoted => part.put_wild(".", one, Piece::AnyChar),
            // Never an end of text.
            '$' => part.put("\\$", one),
            // An array's name, no empty set.
            '[' if !quoted && next == Some(']') => part.put("\\[", one),
            _ if quoted => part.put_literal(one),
            _ if "|+()[]{}^\\".contains(one) => part.put_wild(&one.to_string(), one, Piece::Regex),
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

/// For names at hand: `[schema.]table`, with `*` and `?`.
impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let [schema, name] = parts(text, "schema.table")?;
        let pattern = Self::new(text, None, schema, name)?;
        let is_regex = |part: &NamePattern| part.pieces.contains(&Piece::Regex);
        if pattern.schema.as_ref().is_some_and(is_regex) || is_regex(&pattern.name) {
            return Err(wrong(text, "regular expressions are not known here")
                .hint("write * for any text, ? for any character, and \"quotes\" around a name with others"));
        }
        Ok(pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::one_line(&self.text))
    }
}

impl Pattern {
    pub(crate) fn is(&self, name: &Name) -> bool {
        let schema = self.schema.as_ref();
        schema.is_none_or(|schema| schema.is(&name.schema)) && self.name.is(&name.name)
    }

    /// The name that is most like what was typed; `None`: there is none.
    pub(crate) fn nearest<'a>(
        &self,
        names: impl IntoIterator<Item = &'a Name>,
    ) -> Option<&'a Name> {
        let (schema, name) = self.plain();
        let likeness = |other: &Name| {
            let of_schema = match schema {
                "" => 0.0,
                schema => strsim::jaro_winkler(&other.schema, schema),
            };
            strsim::jaro_winkler(&other.name, name) + of_schema
        };
        let mut names = names.into_iter();
        let first = names.next();
        names.fold(first, |best, one| match best {
            Some(best) if likeness(best) >= likeness(one) => Some(best),
            _ => Some(one),
        })
    }
}

/// A name as a pattern that means it alone.
pub(crate) fn typable(name: &Name) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_$".contains(c);
    let part = |name: &str| match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => quote_ident(name),
    };
    format!("{}.{}", part(&name.schema), part(&name.name))
}

impl NamePattern {
    /// Of a text in which `*` alone stands for others.
    pub(crate) fn of_stars(text: &str) -> Self {
        let mut pattern = Self::default();
        for one in text.chars() {
            match one {
                '*' => pattern.put_wild(".*", one, Piece::AnyText),
                one => pattern.put_literal(one),
            }
        }
        pattern.regex = format!("^({})$", pattern.regex);
        pattern
    }

    fn put_literal(&mut self, one: char) {
        match "|*+?()[]{}.^$\\".contains(one) {
            true => self.put(&format!("\\{one}"), one),
            false => self.put(&one.to_string(), one),
        }
    }

    fn put(&mut self, regex: &str, plain: char) {
        self.put_wild(regex, plain, Piece::Char(plain));
    }

    fn put_wild(&mut self, regex: &str, plain: char, piece: Piece) {
        self.regex.push_str(regex);
        self.plain.push(plain);
        self.pieces.push(piece);
    }

    /// Whether something in it stands for other text.
    pub(crate) fn is_wild(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| !matches!(piece, Piece::Char(_)))
    }

    /// In time and memory of pattern times text, whatever the stars.
    pub(crate) fn is(&self, text: &str) -> bool {
        // Whether the pattern up to here matches the text up to each character.
        let text: Vec<char> = text.chars().collect();
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for piece in &self.pieces {
            if *piece == Piece::AnyText {
                let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
                reached[first..].fill(true);
                continue;
            }
            for at in (0..text.len()).rev() {
                let is = match piece {
                    Piece::Char(c) => text[at] == *c,
                    Piece::AnyChar => true,
                    Piece::AnyText | Piece::Regex => false,
                };
                reached[at + 1] = reached[at] && is;
            }
            reached[0] = false;
        }
        reached[text.len()]
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

    fn name(schema: &str, name: &str) -> Name {
        Name {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn patterns_match_as_psqls_do() {
        for (typed, schema, table, is) in [
            ("answer", "public", "answer", true),
            ("answer", "other", "answer", true),
            ("answer", "public", "answers", false),
            ("ANSWER", "public", "answer", true),
            ("Answer", "public", "Answer", false),
            ("\"Answer\"", "public", "Answer", true),
            ("public.*", "public", "anything", true),
            ("public.*", "other", "anything", false),
            ("*.*", "a", "b", true),
            ("*", "a", "b", true),
            ("ans*er", "a", "anser", true),
            ("a*b*c", "x", "a1b2b3c", true),
            ("a*b*c", "x", "a1c2b", false),
            ("?b", "x", "ab", true),
            ("?b", "x", "b", false),
            ("\"a*\"", "x", "ab", false),
            ("\"a*\"", "x", "a*", true),
            ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d", true),
            ("x\"Y\"z", "s", "xYz", true),
            ("größe", "s", "größe", true),
            ("s.", "s", "", false),
        ] {
            let found = typed
                .parse::<Pattern>()
                .map(|pattern| pattern.is(&name(schema, table)));
            assert_eq!(found.unwrap_or(false), is, "{typed} {schema}.{table}");
        }
        for wrong in [
            "", ".", "a.", ".a", "a.b.c", "\"a", "\"\"", "a|b", "a+", "(a)",
        ] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_name_is_told_as_it_is_to_be_typed() {
        let names = [
            name("public", "Answer"),
            name("public", "course"),
            name("a.b", "x"),
        ];
        let nearest = |typed: &str| {
            let pattern: Pattern = typed.parse().unwrap();
            pattern.nearest(&names).map(typable)
        };
        assert_eq!(nearest("answer").as_deref(), Some("public.\"Answer\""));
        assert_eq!(nearest("public.cuorse").as_deref(), Some("public.course"));
        assert_eq!(nearest("a.b").as_deref(), Some("\"a.b\".x"));
        let typed: Pattern = nearest("answer").unwrap().parse().unwrap();
        assert!(typed.is(&names[0]));
        let none: [&Name; 0] = [];
        assert_eq!("a".parse::<Pattern>().unwrap().nearest(none), None);
    }
}
