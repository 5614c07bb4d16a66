//! Defaults that may run where a backup's table is made again: constants, and the little of PostgreSQL's own that is
//! known here by name. What a catalog says that a default needs is not believed: somebody else may have signed it, and
//! the input function of a type runs as soon as the table is made.

use crate::type_name::is_type_name;

/// Without arguments. Every supported server has them.
const FUNCTIONS: [&str; 5] = [
    "now()",
    "clock_timestamp()",
    "statement_timestamp()",
    "transaction_timestamp()",
    "gen_random_uuid()",
];

const WORDS: [&str; 10] = [
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "CURRENT_TIME",
    "CURRENT_USER",
    "LOCALTIMESTAMP",
    "LOCALTIME",
    "SESSION_USER",
    "true",
    "false",
    "NULL",
];

/// What stands between two of PostgreSQL's own values. With an empty search_path these are its own operators.
const OPERATORS: [&str; 3] = [" + ", " - ", " AT TIME ZONE "];

const MAX_TYPE_BYTES: usize = 200;
/// Parentheses within each other.
const MAX_DEPTH: usize = 16;

/// Whether the default of a column of this type, as `pg_get_expr` prints it, runs nothing of anybody's but of
/// PostgreSQL, and of the type itself, whose values the rows are.
pub(super) fn is_safe(default: &str, data_type: &str) -> bool {
    if expression(default, MAX_DEPTH) == Some("") {
        return true;
    }
    let of_own_type = constant(default).and_then(|rest| rest.strip_prefix("::"));
    of_own_type.is_some_and(|name| name == without_modifier(data_type) && is_type_name(name))
}

/// `character varying(9)[]` as a constant's type is printed: `character varying[]`.
fn without_modifier(data_type: &str) -> String {
    match (data_type.find('('), data_type.rfind(')')) {
        (Some(begin), Some(end)) if begin < end && !data_type.contains('"') => {
            format!("{}{}", &data_type[..begin], &data_type[end + 1..])
        }
        _ => data_type.to_owned(),
    }
}

/// What follows one, or two with an operator.
fn expression(text: &str, depth: usize) -> Option<&str> {
    let rest = value(text, depth)?;
    let second = OPERATORS.iter().find_map(|one| rest.strip_prefix(one));
    second.map_or(Some(rest), |second| value(second, depth))
}

/// What follows a value, with the types that it is cast to.
fn value(text: &str, depth: usize) -> Option<&str> {
    let depth = depth.checked_sub(1)?;
    let mut rest = if let Some(inner) = text.strip_prefix('(') {
        expression(inner, depth)?.strip_prefix(')')?
    } else if let Some(elements) = text.strip_prefix("ARRAY[") {
        list(elements, depth)?.strip_prefix(']')?
    } else if let Some(arguments) = text.strip_prefix("timezone(") {
        list(arguments, depth)?.strip_prefix(')')?
    } else {
        call(text).or_else(|| constant(text))?
    };
    while let Some(cast) = rest.strip_prefix("::") {
        rest = own_type(cast)?;
    }
    Some(rest)
}

fn list(text: &str, depth: usize) -> Option<&str> {
    if text.starts_with(']') {
        return Some(text);
    }
    let mut rest = value(text, depth)?;
    while let Some(next) = rest.strip_prefix(", ") {
        rest = value(next, depth)?;
    }
    Some(rest)
}

fn call(text: &str) -> Option<&str> {
    if let Some(rest) = FUNCTIONS.iter().find_map(|one| text.strip_prefix(one)) {
        return Some(rest);
    }
    let rest = WORDS.iter().find_map(|one| text.strip_prefix(one))?;
    if rest.starts_with(|c: char| c.is_alphanumeric() || "_\"$.".contains(c) || !c.is_ascii()) {
        return None;
    }
    // CURRENT_TIMESTAMP(3)
    match rest.strip_prefix('(') {
        Some(digits) => {
            let digits = digits.strip_prefix(|c: char| c.is_ascii_digit())?;
            digits.strip_prefix(')')
        }
        None => Some(rest),
    }
}

/// What follows a number or a string.
fn constant(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("E'") {
        return string(rest, true);
    }
    if let Some(bits) = text.strip_prefix("B'") {
        return bits.trim_start_matches(['0', '1']).strip_prefix('\'');
    }
    if let Some(rest) = text.strip_prefix('\'') {
        return string(rest, false);
    }
    number(text.strip_prefix('-').unwrap_or(text))
}

/// What follows a string after its first quote.
fn string(text: &str, escapes: bool) -> Option<&str> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\0' => return None,
            // PostgreSQL prints backslashes twice, and only behind an E.
            '\\' if !escapes => return None,
            '\\' => {
                chars.next_if(|(_, next)| *next == '\\')?;
            }
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_none() => {
                return Some(&text[at + 1..]);
            }
            _ => {}
        }
    }
    None
}

fn number(text: &str) -> Option<&str> {
    let digits = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut rest = &text[text.len() - digits(text)..];
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = &fraction[fraction.len() - digits(fraction)..];
    }
    if let Some(exponent) = rest.strip_prefix('e') {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = &exponent[exponent.len() - digits(exponent)..];
    }
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    ends.then_some(rest)
}

/// What follows the longest name of a type without a schema: with an empty search_path it is PostgreSQL's own. Those
/// that name objects look for them.
fn own_type(text: &str) -> Option<&str> {
    let ends_here = |rest: &str| {
        let next = [" ", ")", ",", "]", "::"];
        rest.is_empty() || next.iter().any(|one| rest.starts_with(one))
    };
    let own = |name: &str| is_type_name(name) && !name.contains('.') && !name.starts_with("reg");
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let ends = ends.take_while(|end| *end <= MAX_TYPE_BYTES);
    let parts = ends.map(|end| text.split_at(end));
    let found = parts.filter(|(name, rest)| ends_here(rest) && own(name));
    found.last().map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_prints_of_constants_and_clocks_is_safe() {
        for (default, data_type) in [
            ("0", "integer"),
            ("1.50", "numeric(9,2)"),
            ("'-1'::integer", "integer"),
            ("(-1)", "integer"),
            ("1e+30", "double precision"),
            ("true", "boolean"),
            ("NULL::character varying", "character varying(9)"),
            ("'a;b''\"(c'::text", "text"),
            ("E'a\\\\b''c\\\\'::text", "text"),
            ("'x'::character varying", "character varying(9)"),
            ("B'101'::\"bit\"", "bit(3)"),
            ("'{}'::text[]", "text[]"),
            ("'{}'::character varying[]", "character varying(9)[]"),
            ("ARRAY[]::text[]", "text[]"),
            ("ARRAY['a'::text, 'b'::text]", "text[]"),
            ("'{\"a\": 1}'::jsonb", "jsonb"),
            ("'2026-01-01'::date", "date"),
            ("now()", "timestamp with time zone"),
            ("(now() + '30 days'::interval)", "timestamp with time zone"),
            (
                "(now() AT TIME ZONE 'utc'::text)",
                "timestamp without time zone",
            ),
            (
                "timezone('utc'::text, now())",
                "timestamp without time zone",
            ),
            ("('now'::text)::date", "date"),
            ("(CURRENT_DATE + 7)", "date"),
            ("CURRENT_TIMESTAMP", "timestamp with time zone"),
            ("CURRENT_TIMESTAMP(3)", "timestamp(3) with time zone"),
            (
                "(CURRENT_TIMESTAMP)::timestamp without time zone",
                "timestamp without time zone",
            ),
            ("gen_random_uuid()", "uuid"),
            ("(gen_random_uuid())::text", "text"),
            ("SESSION_USER", "text"),
            ("'sad'::public.mood", "public.mood"),
            ("'{}'::\"Odd.One\".\"a b\"[]", "\"Odd.One\".\"a b\"[]"),
            ("'pg_class'::regclass", "regclass"),
        ] {
            assert!(is_safe(default, data_type), "{default}");
        }
    }

    #[test]
    fn what_calls_anything_else_is_not() {
        for default in [
            "",
            "public.f(1)",
            "lo_import('/etc/passwd'::text)",
            "pg_read_file('/etc/passwd'::text)",
            "nextval('s'::regclass)",
            "nextval('public.s'::text)",
            "set_config('role'::text, 'x'::text, false)",
            "now(1)",
            "now().x",
            "public.now()",
            "\"now\"()",
            "NOW()",
            "nowx()",
            "CURRENT_USERS",
            "CURRENT_DATE.f",
            "CURRENT_TIMESTAMP(f())",
            "( SELECT 1)",
            "(SELECT lo_import('/etc/passwd'))",
            "ARRAY(SELECT 1)",
            "ARRAY[f()]",
            "CASE WHEN f() THEN 1 ELSE 2 END",
            "COALESCE(f(), 1)",
            "(1 OPERATOR(public.+) 2)",
            "(1 + f())",
            "(1 @@ 2)",
            "1 ++ 2",
            "'x'::public.evil",
            "('x'::public.evil)::text",
            "'x'::public.evil::public.mood",
            "'x'::public.mood::public.evil",
            "'x'::public.mood + 1",
            "'x'::public.mood CHECK (f())",
            "'x'::regprocedure",
            "'x'::text COLLATE public.evil",
            "'x'::text CHECK (f())",
            "'x'::text(f())",
            "'a' 'b'",
            "'a'\n'b'::text",
            "'a\\'::text",
            "E'a\\'; f()'",
            "E'a\\\\\\'::text, f()'",
            "U&'a'",
            "'a",
            "$$a$$",
            "1 CHECK (f())",
            "1); DROP TABLE x; --",
            "1 -- ",
            "1/**/",
            "(1",
            "1)",
            "1, 2",
            "timezone(f(), now())",
        ] {
            assert!(!is_safe(default, "public.mood"), "{default}");
        }
        assert!(!is_safe(&"(".repeat(1_000_000), "text"));
        assert!(!is_safe(&format!("1::{}", "a".repeat(1_000_000)), "text"));
    }
}
