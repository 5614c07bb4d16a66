//! Text from elsewhere, made fit to be shown: a name, a value or an error of a server may hold line
//! breaks, escape sequences and characters that nobody sees, and must neither begin a line of ours nor
//! steer the terminal, the log or the page that shows it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::opaque;

/// The text on one line, what is not plain in it escaped as Rust would: `\n`, `\r`, `\u{1b}`, and `\xe9` for
/// a byte that is no UTF-8.
/// Backslashes stay as they are, so that doing it twice changes nothing.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    // Writing to a String does not fail.
    let _ = OneLine(&mut line).write_str(text);
    Cow::Owned(line)
}

/// A name within a sentence: on one line, its quotes and backslashes escaped as well.
pub(crate) fn name(text: &str) -> String {
    let shown = |c: char| match opaque::byte(c) {
        Some(byte) => format!("\\x{byte:02x}"),
        None if is_plain(c) && !"\\'\"".contains(c) => c.to_string(),
        None => c.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a character shows as itself and nothing else: no control character, no line separator,
/// nothing invisible, nothing that turns the writing direction.
pub fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ if c.is_ascii() => false,
        // Rust's own table of what prints. An accent of its own is escaped only in front.
        _ => format!("x{c}").escape_debug().nth(1) == Some(c),
    }
}

/// Writes what it is given as [`one_line`] does.
pub(crate) struct OneLine<'a>(pub &'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if is_plain(c) {
                self.0.push(c);
            } else if let Some(byte) = opaque::byte(c) {
                write!(self.0, "\\x{byte:02x}")?;
            } else {
                self.0.extend(c.escape_debug());
            }
        }
        Ok(())
    }
}

/// A JSON document on one line for every reader that splits lines: strings mean what they say, but what is not
/// plain in them is written as `\u2028`, which JSON allows to be left as it is.
pub(crate) fn json(value: &Value) -> String {
    let mut written = Vec::new();
    // What lies in memory can be written to memory, and JSON is UTF-8.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut written, Plain));
    String::from_utf8_lossy(&written).into_owned()
}

struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, odd)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            for unit in odd.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + odd.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ends a line, moves a cursor, or is not seen.
    const ODD: [char; 24] = [
        '\0',
        '\u{7}',
        '\u{8}',
        '\t',
        '\n',
        '\u{b}',
        '\u{c}',
        '\r',
        '\u{1b}',
        '\u{1c}',
        '\u{1e}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{ad}',
        '\u{200b}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{feff}',
        '\u{e000}',
        '\u{e0041}',
    ];

    #[test]
    fn what_is_not_plain_is_escaped_and_never_twice() {
        for (text, shown) in [
            ("a\nb\r\n", r"a\nb\r\n"),
            ("\u{1b}]0;x\u{7}", r"\u{1b}]0;x\u{7}"),
            (
                "a\u{202e}b\u{2028}c\u{85}d\u{9b}2J",
                r"a\u{202e}b\u{2028}c\u{85}d\u{9b}2J",
            ),
            ("\0\t", r"\0\t"),
            (&opaque::text(b"caf\xe9\xff"), r"caf\xe9\xff"),
            ("C:\\n \"quoted\" 'twice'", "C:\\n \"quoted\" 'twice'"),
        ] {
            assert_eq!(one_line(text), shown);
            assert_eq!(one_line(&one_line(text)), shown);
        }
    }

    #[test]
    fn other_alphabets_accents_and_pictures_stay_readable() {
        for text in [
            "קורס данные 課程",
            "e\u{301}té ñ Ω ﷽",
            "ตัวอย่าง हिन्दी",
            "🦀 naïve – “x” …",
        ] {
            assert_eq!(one_line(text), text);
            assert_eq!(json(&text.into()), format!("\"{text}\""));
        }
    }

    #[test]
    fn json_is_one_line_for_everybody_and_means_the_same() {
        for odd in ODD {
            assert!(!is_plain(odd), "{odd:?}");
            let text = format!("a{odd}b\"\\");
            let written = json(&serde_json::json!({ &text: [&text] }));
            assert!(written.chars().all(is_plain), "{written}");
            let read: Value = serde_json::from_str(&written).unwrap();
            assert_eq!(read[&text][0], text);
        }
    }
}
