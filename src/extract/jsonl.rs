//! JSON Lines: a value is what PostgreSQL's own `row_to_json` makes of numbers, booleans and JSON, and
//! otherwise a string of what COPY prints.

use serde::de::IgnoredAny;

use super::text::{Blocks, NULL, unescaped};
use crate::error::Result;
use crate::escape;

/// A column.
pub(super) struct Key {
    /// `"name":`, behind the comma or brace that comes first.
    text: Vec<u8>,
    kind: Kind,
}

/// How values of a type are written, where they are as they should be; otherwise as strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Boolean,
    Json,
    Text,
}

impl Key {
    /// `data_type` as `format_type` prints it; `None`: not known.
    pub(super) fn new(name: &str, data_type: Option<&str>) -> Self {
        let mut text = escape::json(&name.into()).into_bytes();
        text.push(b':');
        let kind = data_type.map_or(Kind::Text, Kind::of);
        Self { text, kind }
    }
}

impl Kind {
    fn of(data_type: &str) -> Self {
        match data_type.split('(').next().unwrap_or_default() {
            "smallint" | "integer" | "bigint" | "real" | "double precision" | "numeric" => {
                Self::Number
            }
            "boolean" => Self::Boolean,
            "json" | "jsonb" => Self::Json,
            _ => Self::Text,
        }
    }
}

pub(super) fn write_row<'a>(
    keys: &[Key],
    values: impl Iterator<Item = &'a [u8]>,
    out: &mut Blocks<'_>,
) -> Result<()> {
    out.push(b"{")?;
    for (at, (key, value)) in keys.iter().zip(values).enumerate() {
        out.push(if at > 0 { b"," } else { b"" })?;
        out.push(&key.text)?;
        write_value(key.kind, value, out)?;
    }
    out.push(b"}\n")
}

fn write_value(kind: Kind, value: &[u8], out: &mut Blocks<'_>) -> Result<()> {
    match (kind, value) {
        (_, NULL) => out.push(b"null"),
        (Kind::Number, number) if is_number(number) => out.push(number),
        (Kind::Boolean, b"t") => out.push(b"true"),
        (Kind::Boolean, b"f") => out.push(b"false"),
        (Kind::Json, value) => match as_json(value) {
            Some(json) => out.push(&json),
            None => write_string(value, out),
        },
        _ => write_string(value, out),
    }
}

/// `-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?`, which NaN and Infinity are not.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    let [b'e' | b'E', exponent @ ..] = rest else {
        return rest.is_empty();
    };
    let exponent = match exponent {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// The value itself, on one line: in JSON a line break stands only between values.
fn as_json(value: &[u8]) -> Option<Vec<u8>> {
    let mut json = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        json.extend_from_slice(&rest[..at]);
        let (byte, length) = unescaped(&rest[at..]);
        json.push(byte);
        rest = &rest[at + length..];
    }
    json.extend_from_slice(rest);
    serde_json::from_slice::<IgnoredAny>(&json).ok()?;
    for byte in &mut json {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Some(json)
}

fn write_string(value: &[u8], out: &mut Blocks<'_>) -> Result<()> {
    out.push(b"\"")?;
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let mut rest = value;
    while let Some(at) = rest.iter().position(special) {
        out.push(&rest[..at])?;
        let (byte, length) = match rest[at] {
            b'\\' => unescaped(&rest[at..]),
            other => (other, 1),
        };
        match byte {
            b'"' => out.push(b"\\\"")?,
            b'\\' => out.push(b"\\\\")?,
            b'\n' => out.push(b"\\n")?,
            b'\r' => out.push(b"\\r")?,
            b'\t' => out.push(b"\\t")?,
            control @ 0..0x20 => out.push(format!("\\u{control:04x}").as_bytes())?,
            other => out.push(&[other])?,
        }
        rest = &rest[at + length..];
    }
    out.push(rest)?;
    out.push(b"\"")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::text::tests::written;
    use super::*;

    fn row(columns: &[(&str, Option<&str>)], values: &[&str]) -> String {
        let keys: Vec<Key> = columns
            .iter()
            .map(|(name, data_type)| Key::new(name, *data_type))
            .collect();
        let values = values.iter().map(|value| value.as_bytes());
        let all = written(|out| write_row(&keys, values, out)).unwrap();
        String::from_utf8(all).unwrap()
    }

    #[track_caller]
    fn gives(data_type: &str, value: &str, expected: Value) {
        let line = row(&[("a", Some(data_type))], &[value]);
        assert_eq!(line.lines().count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json!({ "a": expected }), "{line}");
    }

    #[test]
    fn values_are_json_where_the_type_says_so_and_strings_otherwise() {
        gives("integer", "-7", json!(-7));
        gives("text", "-7", json!("-7"));
        gives("bigint", r"\N", Value::Null);
        gives("double precision", "1e-07", json!(1e-7));
        gives("double precision", "NaN", json!("NaN"));
        gives("numeric(9,2)", "-Infinity", json!("-Infinity"));
        gives("boolean", "t", json!(true));
        gives("boolean", "x", json!("x"));
        gives(
            "jsonb",
            r#"{"a": ["\\n", null]}"#,
            json!({"a": ["\n", null]}),
        );
        gives("json", r#"{\n\t"a" : 1\r\n}"#, json!({"a": 1}));
        gives("json", "1} {", json!("1} {"));
        gives("integer[]", "{1,2}", json!("{1,2}"));
        gives("public.json", "{}", json!("{}"));
        gives("text", "", json!(""));
        gives(
            "text",
            r#"a\\N "\n\r\t\b\v\f"#,
            json!("a\\N \"\n\r\t\u{8}\u{b}\u{c}"),
        );
        gives(
            "text",
            "\u{1}\u{1f}ü\u{2028}",
            json!("\u{1}\u{1f}ü\u{2028}"),
        );
    }

    #[test]
    fn numbers_keep_every_digit() {
        let exact = "12345678901234567890.12345678901234567890";
        let line = row(&[("a", Some("numeric"))], &[exact]);
        assert_eq!(line, format!("{{\"a\":{exact}}}\n"));
        for wrong in [
            "", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1 ", "0x1", "1e5x",
        ] {
            assert!(!is_number(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn names_are_keys_whatever_they_hold() {
        let line = row(&[("a\"\n", None), ("b", None)], &["1", "2"]);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json!({"a\"\n": "1", "b": "2"}));
        assert_eq!(row(&[], &[]), "{}\n");
    }
}
