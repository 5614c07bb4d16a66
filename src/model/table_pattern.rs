//! Patterns of tables' names, by psql's rules: `schema.name`, or `name` in every schema; `*` is any text, `?`
//! any character; letters are folded to lower case, but for what stands in double quotes.

use std::fmt;

use super::name::Name;
use crate::error::{Error, Result};
use crate::escape;
use crate::quote::quote_ident;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TablePattern {
    /// `None`: every schema.
    schema: Option<Vec<Piece>>,
    name: Vec<Piece>,
    typed: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Char(char),
    AnyChar,
    AnyText,
}

impl std::str::FromStr for TablePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = parts(text).filter(|parts| parts.iter().all(|part| !part.is_empty()));
        let (schema, name) = match parts.as_deref() {
            Some([name]) => (None, name.clone()),
            Some([schema, name]) => (Some(schema.clone()), name.clone()),
            _ => {
                return Err(Error::usage(format!(
                    "'{}' is no pattern of tables' names",
                    text.escape_debug()
                ))
                .hint(
                    "write schema.name, with * and ?, and double quotes around what is to be taken as it stands",
                ));
            }
        };
        Ok(Self {
            schema,
            name,
            typed: text.to_owned(),
        })
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::one_line(&self.typed))
    }
}

impl TablePattern {
    pub(crate) fn is(&self, name: &Name) -> bool {
        let schema = self.schema.as_ref();
        schema.is_none_or(|schema| matches(schema, &name.schema)) && matches(&self.name, &name.name)
    }

    /// The name that is most like what was typed, as it is to be typed; `None`: there is none.
    pub(crate) fn nearest<'a>(&self, names: impl IntoIterator<Item = &'a Name>) -> Option<String> {
        let typed = self.typed.replace('"', "").to_lowercase();
        let likeness = |name: &Name| {
            let whole = match self.schema {
                Some(_) => format!("{}.{}", name.schema, name.name),
                None => name.name.clone(),
            };
            strsim::jaro_winkler(&whole.to_lowercase(), &typed)
        };
        let names = names.into_iter();
        let best = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
        Some(format!("{}.{}", typable(&best.schema), typable(&best.name)))
    }
}

/// The parts that dots divide; `None`: a quote does not end.
fn parts(text: &str) -> Option<Vec<Vec<Piece>>> {
    let mut parts = vec![Vec::new()];
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        let part = parts.last_mut()?;
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => part.push(Piece::Char('"')),
            '"' => quoted = !quoted,
            c if quoted => part.push(Piece::Char(c)),
            '.' => parts.push(Vec::new()),
            '*' => part.push(Piece::AnyText),
            '?' => part.push(Piece::AnyChar),
            c => part.extend(c.to_lowercase().map(Piece::Char)),
        }
    }
    (!quoted).then_some(parts)
}

/// In time and memory of pattern times text, whatever the stars.
fn matches(pattern: &[Piece], text: &str) -> bool {
    // Whether the pattern up to here matches the text up to each character.
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in pattern {
        match piece {
            Piece::AnyText => {
                let first = reached.iter().position(|is| *is).unwrap_or(reached.len());
                reached[first..].fill(true);
            }
            Piece::AnyChar | Piece::Char(_) => {
                for at in (0..text.len()).rev() {
                    let is = match piece {
                        Piece::Char(c) => text[at] == *c,
                        _ => true,
                    };
                    reached[at + 1] = reached[at] && is;
                }
                reached[0] = false;
            }
        }
    }
    reached[text.len()]
}

/// A name as a pattern that means it alone.
fn typable(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
    match !name.is_empty() && name.chars().all(plain) {
        true => name.to_owned(),
        false => quote_ident(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                .parse::<TablePattern>()
                .map(|pattern| pattern.is(&name(schema, table)));
            assert_eq!(found.unwrap_or(false), is, "{typed} {schema}.{table}");
        }
        for wrong in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"\""] {
            assert!(wrong.parse::<TablePattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_name_is_told_as_it_is_to_be_typed() {
        let names = [
            name("public", "Answer"),
            name("public", "course"),
            name("a.b", "x"),
        ];
        let nearest = |typed: &str| typed.parse::<TablePattern>().unwrap().nearest(&names);
        assert_eq!(nearest("answer").as_deref(), Some("public.\"Answer\""));
        assert_eq!(nearest("public.cuorse").as_deref(), Some("public.course"));
        assert_eq!(nearest("a.b").as_deref(), Some("\"a.b\".x"));
        let typed: TablePattern = nearest("answer").unwrap().parse().unwrap();
        assert!(typed.is(&names[0]));
        let none: [&Name; 0] = [];
        assert_eq!("a".parse::<TablePattern>().unwrap().nearest(none), None);
    }
}
