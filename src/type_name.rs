//! Names of types and collations as PostgreSQL prints them, told from SQL that somebody else signed: where a column's
//! type stands, a constraint could follow, whose functions run with the first row.

use crate::quote::read_ident;

/// PostgreSQL's own of several words, and what may stand between them in parentheses: `timestamp(3) with time zone`.
const OF_WORDS: [&str; 4] = [
    "double precision",
    "character varying",
    "bit varying",
    "national character varying",
];

const ZONES: [&str; 4] = [
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
];

/// Behind `interval`, with digits behind the last one.
const FIELDS: [&str; 13] = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "year to month",
    "day to hour",
    "day to minute",
    "day to second",
    "hour to minute",
    "hour to second",
    "minute to second",
];

/// Whether this is what `format_type` prints, and nothing else follows: `character varying(9)[]`,
/// `public."Odd"(Point,4326)`.
pub(crate) fn is_type_name(text: &str) -> bool {
    let mut text = text;
    while let Some(element) = text.strip_suffix("[]") {
        text = element;
    }
    is_of_words(text) || qualified_name(text).is_some_and(is_empty_or_modifier)
}

/// `"C"`, `pg_catalog.default`, and nothing else behind it.
pub(crate) fn is_qualified_name(text: &str) -> bool {
    qualified_name(text) == Some("")
}

fn is_of_words(text: &str) -> bool {
    if let Some(zone) = text.find(" with").filter(|_| text.starts_with("time")) {
        let (name, zone) = text.split_at(zone);
        let bare = name.split('(').next().unwrap_or_default();
        let known = ZONES.contains(&format!("{bare}{zone}").as_str());
        return known && is_empty_or_modifier(&name[bare.len()..]);
    }
    if let Some(fields) = text.strip_prefix("interval ") {
        let bare = fields.split('(').next().unwrap_or_default();
        return FIELDS.contains(&bare) && is_empty_or_modifier(&fields[bare.len()..]);
    }
    let mut known = OF_WORDS.iter();
    known.any(|words| text.strip_prefix(words).is_some_and(is_empty_or_modifier))
}

/// What follows `name` or `schema.name`; `None`: it is none.
fn qualified_name(text: &str) -> Option<&str> {
    let rest = name(text)?;
    match rest.strip_prefix('.') {
        Some(second) => name(second),
        None => Some(rest),
    }
}

/// What follows a name.
fn name(text: &str) -> Option<&str> {
    let (name, rest) = read_ident(text)?;
    (!name.is_empty() && !name.contains('\0')).then_some(rest)
}

/// Nothing, or `(9,-2)`, `(Point,4326)`: numbers and words, of which none is called.
fn is_empty_or_modifier(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let inner = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    inner.is_some_and(|inner| {
        inner.split(',').all(|one| {
            let one = one.strip_prefix('-').unwrap_or(one);
            !one.is_empty() && one.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_prints_is_a_type() {
        for sound in [
            "integer",
            "integer[]",
            "numeric(9,2)",
            "numeric(3,-2)[]",
            "\"char\"",
            "bit(3)",
            "bit varying(10)",
            "bit varying",
            "character(1)",
            "character varying(10)[]",
            "double precision",
            "timestamp(3) with time zone",
            "timestamp without time zone[]",
            "time(0) without time zone",
            "time with time zone",
            "interval",
            "interval(3)",
            "interval year to month",
            "interval day to second(3)",
            "interval second(0)",
            "public.mood",
            "\"Odd.Schema\".\"a \"\"b\"\" ü; --\"[]",
            "public.geometry(Point,4326)",
            "public.vector(3)",
        ] {
            assert!(is_type_name(sound), "{sound}");
        }
    }

    #[test]
    fn what_is_more_than_a_type_is_none() {
        for wrong in [
            "",
            "[]",
            "text CHECK (lo_import('/etc/passwd')>0)",
            "text NOT NULL",
            "text COLLATE \"C\"",
            "text\tcheck(f(1))",
            "text/**/",
            "text--",
            "text\n",
            "numeric(9,2) DEFAULT 1",
            "numeric(f(1))",
            "numeric('a')",
            "numeric()",
            "text[] check (f())[]",
            "setof text",
            "public.t%rowtype",
            "a.b.c",
            "a.",
            "\"\"",
            "\"a",
            "\"a\"\"",
            "Text",
            "timestamp(3) with time zone CHECK (f())",
            "timestamp check (f()) with time zone",
            "timex with time zone",
            "interval year to month check(f())",
            "interval century",
            "double precision(f(1))",
            "double precisions",
            "'text'",
        ] {
            assert!(!is_type_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn collations_are_names() {
        for sound in ["\"C\"", "pg_catalog.\"C\"", "public.german", "\"a\".\"b\""] {
            assert!(is_qualified_name(sound), "{sound}");
        }
        for wrong in [
            "",
            "a.b.c",
            "\"C\" CHECK (f())",
            "\"C\"(1)",
            "a b",
            "\"C\".",
        ] {
            assert!(!is_qualified_name(wrong), "{wrong}");
        }
    }
}
