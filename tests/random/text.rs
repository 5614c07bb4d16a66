//! Text as an enemy would choose it, and how SQL quotes it.

use proptest::collection::vec;
use proptest::prelude::*;

/// What a database can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    Latin1,
    /// SQL_ASCII: a character is a byte.
    Bytes,
}

impl Charset {
    /// The beginning of a text, as long as a type with so many characters takes.
    pub fn cut(self, text: &str, most: usize) -> String {
        let mut left = most;
        let fits = |c: &char| {
            let size = if self == Self::Bytes { c.len_utf8() } else { 1 };
            left.checked_sub(size)
                .inspect(|rest| left = *rest)
                .is_some()
        };
        text.chars().take_while(fits).collect()
    }
}

/// Pieces that mean something to COPY, to SQL, to arrays, to psql or to a terminal.
const PIECES: [&str; 44] = [
    "\\",
    "\\.",
    "\n\\.\n",
    "\\N",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "'",
    "''",
    "\"",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ":",
    ".",
    "$",
    "$$",
    "--",
    "/*",
    "%s",
    "%",
    " ",
    "NULL",
    "null",
    "\u{1}",
    "\u{8}",
    "\u{b}",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "é",
    "ÿ",
    "a",
    "B",
    "_",
    "0",
    "x",
];

/// Beyond one byte a character.
const WIDE: [&str; 8] = [
    "🚤",
    "ſ",
    "\u{feff}",
    "\u{2028}",
    "e\u{301}",
    "日本",
    "\u{10ffff}",
    "ﷺ",
];

fn piece(charset: Charset) -> BoxedStrategy<String> {
    let plain = prop::sample::select(&PIECES[..]).prop_map(str::to_owned);
    match charset {
        Charset::Latin1 => plain.boxed(),
        Charset::Utf8 | Charset::Bytes => prop_oneof![
            6 => plain,
            1 => prop::sample::select(&WIDE[..]).prop_map(str::to_owned),
            1 => any::<char>()
                .prop_filter("the server stores no NUL", |c| *c != '\0')
                .prop_map(String::from),
        ]
        .boxed(),
    }
}

/// Any text that the server takes.
pub fn text(charset: Charset) -> BoxedStrategy<String> {
    vec(piece(charset), 0..7)
        .prop_map(|pieces| pieces.concat())
        .boxed()
}

/// Text that is moved out of the row, compressed or not.
pub fn long_text(charset: Charset) -> BoxedStrategy<String> {
    (text(charset), 1_usize..3000)
        .prop_map(|(text, times)| text.repeat(times))
        .boxed()
}

/// What comes after a name's number: with it, any name is one of its own.
pub fn name(charset: Charset) -> BoxedStrategy<String> {
    prop_oneof![
        2 => "[a-z_]{0,8}",
        1 => prop::sample::select(&["select", "Order", "user ", "a.b", "\"q\"", "ctid "][..])
            .prop_map(str::to_owned),
        3 => text(charset),
        1 => Just("n".repeat(70)),
    ]
    .boxed()
}

/// A name that no other of its kind has, at most as long as PostgreSQL's.
pub fn numbered(prefix: &str, number: usize, rest: &str) -> String {
    let mut name = format!("{prefix}{number}{rest}");
    while name.len() > 63 {
        name.pop();
    }
    name
}

pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// An element of an array's or a field of a composite's text.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
