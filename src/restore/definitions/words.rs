//! What a report says of a difference.

use super::change::Change;
use super::rules::{Rule, Shape};
use crate::escape;
use crate::model::catalog::{Name, describe_constraint};
use crate::pg::target::checks::describe_domain;
use crate::quote::quote_ident;

/// Of a text that is shown.
const SHOWN: usize = 120;
/// Before the place where two texts begin to differ.
const BEFORE: usize = 30;

/// What differs, in the words in which the other steps of a restore speak of the same object.
pub(super) fn what(rule: &Rule, name: &[String], change: Change<'_>) -> String {
    let kind = rule.kind;
    let shown = |parts: &[String]| -> String {
        let parts: Vec<String> = parts.iter().map(|part| escape::name(part)).collect();
        parts.join(".")
    };
    match (rule.shape, name) {
        (Shape::OnTable, [schema, table, one]) => {
            let on = Name {
                schema: schema.clone(),
                name: table.clone(),
            };
            match kind {
                "domain constraint" => describe_domain(&on, one),
                _ => describe_constraint(&kind_on_table(kind, change), one, &on),
            }
        }
        (Shape::OfTable, _) => format!("{kind} of {}", shown(name)),
        (Shape::Any, [of, rest @ ..]) => match kind {
            "owner" | "privileges" => format!("{kind} of {of} {}", shown_object(of, rest)),
            "privileges of the system" => format!("privileges of {of} {}", shown(rest)),
            "comment" | "security label" => format!("{kind} on {of} {}", shown(rest)),
            _ => format!("{of} {}", shown(rest)),
        },
        (Shape::Own, _) => own(kind, name),
        _ => format!("{kind} {}", shown(name)),
    }
}

fn shown_object(of: &str, name: &[String]) -> String {
    let parts: Vec<String> = name.iter().map(|part| escape::name(part)).collect();
    match (of, parts.as_slice()) {
        ("column", [schema, table, column]) => format!("{column} of {schema}.{table}"),
        _ => parts.join("."),
    }
}

/// Keys by what they are.
fn kind_on_table(kind: &'static str, change: Change<'_>) -> &'static str {
    let text = match change {
        Change::Lost(text) | Change::Added(text) | Change::Changed(text, _) => text,
    };
    let begins = |word: &str| text.starts_with(word);
    match kind {
        "key" if begins("PRIMARY KEY") => "primary key",
        "key" if begins("UNIQUE") => "unique constraint",
        "key" => "foreign key",
        "check" if begins("EXCLUDE") => "exclusion constraint",
        "check" => "check constraint",
        "index" if begins("UNIQUE ") => "unique index",
        "default" => "default of column",
        "column options" => "options of column",
        other => other,
    }
}

fn own(kind: &str, name: &[String]) -> String {
    let shown: Vec<String> = name.iter().map(|part| escape::name(part)).collect();
    let quoted = |at: usize| {
        name.get(at)
            .map_or_else(String::new, |part| quote_ident(part))
    };
    match (kind, shown.as_slice()) {
        ("published table", [publication, schema, table]) => {
            format!("table {schema}.{table} in publication {publication}")
        }
        ("published schema", [publication, schema]) => {
            format!("schema {schema} in publication {publication}")
        }
        ("user mapping", [server, user]) => format!("user mapping of {user} on {server}"),
        ("default privileges", [role, schema, objects]) => {
            let place = match schema.as_str() {
                "" => String::new(),
                schema => format!(" in schema {schema}"),
            };
            format!("default privileges of role {role}{place} on {objects}")
        }
        ("database" | "database privileges", [property]) => format!("{property} of the database"),
        ("database setting", _) => {
            let role = match name.first().map(String::as_str) {
                None | Some("") => String::new(),
                Some(_) => format!(" for role {}", quoted(0)),
            };
            format!("setting {} of the database{role}", quoted(1))
        }
        ("role", _) => format!("role {}", quoted(0)),
        ("role setting", _) => format!("setting {} of role {}", quoted(1), quoted(0)),
        ("role comment", _) => format!("comment on role {}", quoted(0)),
        ("membership", _) => format!("membership of {} in {}", quoted(1), quoted(0)),
        _ => format!("{kind} {}", shown.join(" ")),
    }
}

/// Both texts, from shortly before the place where they begin to differ.
pub(super) fn why(change: Change<'_>) -> String {
    match change {
        Change::Lost("") => "it is missing".to_owned(),
        Change::Lost(text) => format!("it is missing; exported: {}", from(text, 0)),
        Change::Added("") => "the restore point has none of it".to_owned(),
        Change::Added(text) => {
            format!(
                "the restore point has none of it; there is: {}",
                from(text, 0)
            )
        }
        Change::Changed(then, now) => {
            let same = then.chars().zip(now.chars()).take_while(|(a, b)| a == b);
            let start = same.count().saturating_sub(BEFORE);
            format!(
                "exported: {}; there is: {}",
                from(then, start),
                from(now, start)
            )
        }
    }
}

/// On one line, from a character on.
fn from(text: &str, start: usize) -> String {
    let start = if start < BEFORE { 0 } else { start };
    let mut chars = text.chars().skip(start);
    let shown: String = chars.by_ref().take(SHOWN).collect();
    let shown = match shown.as_str() {
        "" => "nothing".to_owned(),
        shown => escape::one_line(shown).into_owned(),
    };
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if chars.next().is_some() { "…" } else { "" },
    );
    format!("{before}{shown}{after}")
}

/// Names may be quoted, and a dot or a space may stand between schema and name.
pub(super) fn plain(text: &str) -> String {
    text.replace('"', "").replace(['.', '\n', '\r'], " ")
}

/// Whether a text holds a name, not as a part of a longer word.
pub(super) fn has_whole(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    !name.trim().is_empty()
        && text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The head of a function without the word.
pub(super) fn without_leakproof(text: &str) -> String {
    let head = text.find("\nAS ").unwrap_or(text.len());
    text[..head].replace(" LEAKPROOF", "") + &text[head..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shown_from_where_they_differ() {
        let long = format!("CREATE FUNCTION f() AS '{}1'", "x".repeat(200));
        let other = format!("CREATE FUNCTION f() AS '{}2\n'", "x".repeat(200));
        let why = why(Change::Changed(&long, &other));
        let same = "x".repeat(BEFORE);
        assert_eq!(why, format!("exported: …{same}1'; there is: …{same}2\\n'"));
        let cut = super::why(Change::Lost(&long));
        assert!(cut.ends_with('…') && cut.chars().count() < 200, "{cut}");
    }
}
