//! Quoting: SQL, connection strings, PostgreSQL's configuration files, shells.

use std::fmt::Write as _;

use crate::escape::is_plain;
use crate::opaque;

/// An SQL identifier, always quoted.
pub(crate) fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SQL identifiers, separated by commas.
pub(crate) fn quote_idents<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names = names.into_iter().map(|name| quote_ident(name));
    names.collect::<Vec<_>>().join(", ")
}

/// Reads a quoted SQL identifier after its opening quote: the name, and what follows the closing quote.
pub(crate) fn unquote_ident(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        // Two quotes stand for one.
        match after.strip_prefix('"') {
            Some(after) => rest = after,
            None => return Some((name, after)),
        }
        name.push('"');
    }
}

/// Reads an identifier as PostgreSQL prints it, with quotes where it needs them: the name, and what follows.
pub(crate) fn read_ident(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return unquote_ident(quoted);
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    begins.then(|| (text[..end].to_owned(), &text[end..]))
}

/// An SQL identifier in plain ASCII, by `U&` escapes, so that it means the same in every encoding of
/// shell, client and server. Names that are bytes know no Unicode: `as_bytes` leaves them as they are.
pub(crate) fn quote_ident_as_ascii(name: &str, as_bytes: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) {
        return format!("\"{name}\"");
    }
    let mut text = "U&\"".to_owned();
    for c in name.chars() {
        let code = u32::from(c);
        // Writing into a String cannot fail.
        let _ = match c {
            c if plain(c) || (as_bytes && !c.is_ascii()) => write!(text, "{c}"),
            _ if code <= 0xFFFF => write!(text, "\\{code:04X}"),
            _ => write!(text, "\\+{code:06X}"),
        };
    }
    text.push('"');
    text
}

/// An SQL string literal that reads the same whatever `standard_conforming_strings` says.
pub(crate) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Whether a piece of SQL stays one piece wherever it is put: its quotes and parentheses are closed, and
/// outside of quotes there is no end of a statement, no comment and no command of psql's. What PostgreSQL
/// prints of a type or a default is so; what somebody else signed may not be.
pub(crate) fn is_one_expression(sql: &str) -> bool {
    let mut open: Vec<char> = Vec::new();
    let mut chars = sql.chars().peekable();
    // Behind an E of its own, a backslash in a string hides what follows.
    let (mut before, mut last) = (' ', ' ');
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let escapes = c == '\'' && "eE".contains(last) && !is_of_name(before);
                loop {
                    match chars.next() {
                        None => return false,
                        Some('\\') if escapes => drop(chars.next()),
                        Some(end) if end == c => break,
                        Some(_) => {}
                    }
                }
            }
            '(' | '[' => open.push(c),
            ')' if open.pop() != Some('(') => return false,
            ']' if open.pop() != Some('[') => return false,
            ';' | '\\' | '$' | '\0' => return false,
            '-' if chars.peek() == Some(&'-') => return false,
            '/' if chars.peek() == Some(&'*') => return false,
            // Between columns.
            ',' if open.is_empty() => return false,
            _ => {}
        }
        (before, last) = (last, c);
    }
    open.is_empty() && !sql.trim().is_empty()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

/// SQL string literals, separated by commas.
pub(crate) fn quote_literals<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts = texts.into_iter().map(|text| quote_literal(text.as_ref()));
    texts.collect::<Vec<_>>().join(", ")
}

/// One of libpq's `key='value'` pairs.
pub(crate) fn conninfo_pair(key: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("{key}='{value}'")
}

/// A line `name = 'value'` of a `postgresql.conf`.
pub(crate) fn config_line(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('\'', "''");
    format!("{name} = '{value}'\n")
}

/// A word for a POSIX shell, on one line.
pub(crate) fn quote_shell(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "/:._%+,@-".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(bare) {
        text.to_owned()
    } else if text.chars().all(is_plain) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        format!("$'{}'", text.chars().map(octal).collect::<String>())
    }
}

/// Inside `$'…'`: as bytes what is not plain, by three digits each, so that none joins what follows.
fn octal(c: char) -> String {
    match c {
        '\\' | '\'' => format!("\\{c}"),
        c if is_plain(c) => c.to_string(),
        c => {
            let text = c.to_string();
            let bytes = opaque::bytes(&text);
            bytes.iter().map(|byte| format!("\\{byte:03o}")).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_configuration_file_cannot_end_its_quotes() {
        assert_eq!(
            config_line("unix_socket_directories", r"/tmp/it's \"),
            "unix_socket_directories = '/tmp/it''s \\\\'\n"
        );
    }

    #[test]
    fn what_is_more_than_an_expression_is_known() {
        for sound in [
            "numeric(9,2)",
            "public.\"a;b\"",
            "\"a\"\"--\"[]",
            "'it''s; (fine'::text",
            r"E'a\\b\';'::text",
            "ARRAY['a', 'b']",
            "(1 - '-1'::integer)",
            "((now() AT TIME ZONE 'utc'::text))",
        ] {
            assert!(is_one_expression(sound), "{sound}");
        }
        for wrong in [
            "",
            "1; DROP TABLE t",
            "1) , x int",
            "1, x int",
            "(1",
            "'a",
            "'a\\'; x",
            r"e'\'; x",
            "a--",
            "a /* b",
            "1 \\! ls",
            "$$a$$",
            "([1)]",
        ] {
            assert!(!is_one_expression(wrong), "{wrong}");
        }
    }

    #[test]
    fn lists_are_quoted_name_by_name() {
        let names = ["a".to_owned(), "b\"".to_owned()];
        assert_eq!(quote_idents(&names), r#""a", "b""""#);
        assert_eq!(quote_literals(&names), "'a', 'b\"'");
    }

    #[test]
    fn a_shell_reads_a_name_as_one_word() {
        assert_eq!(quote_shell("prod.a-1_b"), "prod.a-1_b");
        for (name, written) in [
            ("", "''"),
            ("-x", "'-x'"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("a'b", r"'a'\''b'"),
        ] {
            assert_eq!(quote_shell(name), written);
        }
    }
}
