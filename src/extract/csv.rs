//! CSV as PostgreSQL's COPY prints it, byte by byte: NULL is an empty field, an empty text is `""`.

use super::text::{Blocks, NULL, unescaped};
use crate::error::Result;

/// A value of COPY text; `only`: there is no other column.
pub(super) fn write_value(value: &[u8], only: bool, out: &mut Blocks<'_>) -> Result<()> {
    if value == NULL {
        return Ok(());
    }
    let quote: &[u8] = match needs_quotes(value, only) {
        true => b"\"",
        false => b"",
    };
    out.push(quote)?;
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'\\', b'"', rest) {
        out.push(&rest[..at])?;
        let (byte, length) = match rest[at] {
            b'\\' => unescaped(&rest[at..]),
            other => (other, 1),
        };
        if byte == b'"' {
            out.push(b"\"")?;
        }
        out.push(&[byte])?;
        rest = &rest[at + length..];
    }
    out.push(rest)?;
    out.push(quote)
}

/// A column's name in the header.
pub(super) fn write_name(name: &[u8], out: &mut Vec<u8>) {
    let odd = name.is_empty() || name.iter().any(|byte| b",\"\r\n".contains(byte));
    if !odd {
        return out.extend_from_slice(name);
    }
    out.push(b'"');
    for byte in name {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Where a reader would take it for something else: COPY's own rule. `\.` alone on a line ended the rows
/// for readers of old.
fn needs_quotes(value: &[u8], only: bool) -> bool {
    if value.is_empty() || (only && value == b"\\\\.") {
        return true;
    }
    if memchr::memchr2(b',', b'"', value).is_some() {
        return true;
    }
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (byte, length) = unescaped(&rest[at..]);
        if byte == b'\n' || byte == b'\r' {
            return true;
        }
        rest = &rest[at + length..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::written;
    use super::*;

    #[test]
    fn values_are_quoted_where_copy_quotes_them() {
        for (value, csv) in [
            (r"\N", ""),
            ("", "\"\""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            (r"a\nb", "\"a\nb\""),
            (r"a\rb", "\"a\rb\""),
            (r"a\tb", "a\tb"),
            (r"a\\nb", r"a\nb"),
            (r"\\N", r"\N"),
            (r"\\.", r"\."),
            (r"\b\v\f", "\u{8}\u{b}\u{c}"),
        ] {
            let all = written(|out| write_value(value.as_bytes(), false, out)).unwrap();
            assert_eq!(String::from_utf8(all).unwrap(), csv, "{value}");
        }
        let alone = written(|out| write_value(br"\\.", true, out)).unwrap();
        assert_eq!(alone, b"\"\\.\"");
    }

    #[test]
    fn names_are_quoted_as_values_are() {
        for (name, csv) in [("a", "a"), ("a\"b", "\"a\"\"b\""), ("a,\n", "\"a,\n\"")] {
            let mut all = Vec::new();
            write_name(name.as_bytes(), &mut all);
            assert_eq!(all, csv.as_bytes());
        }
    }
}
