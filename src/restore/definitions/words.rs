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

/// The words of names and identities, without what stands between them.
pub(super) fn split(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words = text.split(|c| !is_word(c));
    words.filter(|word| !word.is_empty()).collect()
}

/// How PostgreSQL may print a name: without quotes only where it is like no word of its own.
pub(super) fn as_printed(name: &str) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let bare = name.chars().all(is_plain).then(|| name.to_owned());
    bare.into_iter().chain([quote_ident(name)]).collect()
}

/// The head of a function without the word.
pub(super) fn without_leakproof(text: &str) -> String {
    let head = text.find("\nAS ").unwrap_or(text.len());
    text[..head].replace("\nLEAKPROOF", "") + &text[head..]
}

/// The head of a function without a setting that a person gave it.
pub(super) fn without_search_path(text: &str) -> String {
    let head = text.find("\nAS ").unwrap_or(text.len());
    let lines = text[..head].split_inclusive('\n');
    let kept: String = lines
        .filter(|line| !line.starts_with("SET search_path="))
        .collect();
    let head_end = kept.trim_end_matches('\n');
    head_end.to_owned() + &text[head..]
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

    #[test]
    fn only_a_name_like_no_word_of_ours_stands_without_quotes() {
        assert_eq!(as_printed("app_1"), ["app_1", "\"app_1\""]);
        assert_eq!(as_printed("PUBLIC"), ["\"PUBLIC\""]);
        assert_eq!(as_printed("a b"), ["\"a b\""]);
    }

    #[test]
    fn a_search_path_goes_from_the_head_alone() {
        let text =
            "FUNCTION ()\nCOST 100\nSET search_path=app, public\nAS SELECT '\nSET search_path=x'";
        let without = "FUNCTION ()\nCOST 100\nAS SELECT '\nSET search_path=x'";
        assert_eq!(without_search_path(text), without);
        assert_eq!(without_search_path(without), without);
    }

    #[test]
    fn leakproof_goes_from_the_head_alone() {
        let text = "FUNCTION ()\nLANGUAGE sql\nLEAKPROOF\nAS SELECT '\nLEAKPROOF'";
        let without = "FUNCTION ()\nLANGUAGE sql\nAS SELECT '\nLEAKPROOF'";
        assert_eq!(without_leakproof(text), without);
    }
}
