//! What a definition is called, in words for people.

use super::change::Change;
use super::rules::{Rule, Shape};
use crate::escape;
use crate::model::catalog::{Name, describe_constraint, describe_domain};
use crate::quote::quote_ident;

/// What differs, in the words in which the other steps of a restore speak of the same object.
pub(crate) fn what(rule: &Rule, name: &[String], change: Change<'_>) -> String {
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
        "not null" => "not null of column",
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

/// Names may be quoted, and a dot or a space may stand between schema and name.
pub(crate) fn plain(text: &str) -> String {
    text.replace('"', "").replace(['.', '\n', '\r'], " ")
}

/// The words of names and identities, without what stands between them.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words = text.split(|c| !is_word(c));
    words.filter(|word| !word.is_empty()).collect()
}

/// How PostgreSQL may print a name: without quotes only where it is like no word of its own.
pub(crate) fn as_printed(name: &str) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let bare = name.chars().all(is_plain).then(|| name.to_owned());
    bare.into_iter().chain([quote_ident(name)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_like_no_word_of_ours_stands_without_quotes() {
        assert_eq!(as_printed("app_1"), ["app_1", "\"app_1\""]);
        assert_eq!(as_printed("PUBLIC"), ["\"PUBLIC\""]);
        assert_eq!(as_printed("a b"), ["\"a b\""]);
    }
}
