//! Bytes that are not UTF-8, carried in text and back: names, comments and settings of a database hold
//! bytes in whatever encoding their author's database had.
//!
//! A byte that belongs to no UTF-8 character becomes a character of its own, U+10FE80 to U+10FEFF, by its
//! value. A text that has such a character already is taken for bytes, too, so that what was written is
//! always what is read.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// The character of the byte zero, which needs none: only those from 128 on do.
const BASE: u32 = 0x0010_FE00;

/// The byte that a character stands for.
pub(crate) fn byte(c: char) -> Option<u8> {
    let byte = u32::from(c).checked_sub(BASE)?;
    u8::try_from(byte).ok().filter(|byte| !byte.is_ascii())
}

/// Whether a text has bytes that are not UTF-8.
pub(crate) fn is_in(text: &str) -> bool {
    text.chars().any(|c| byte(c).is_some())
}

/// The text that carries these bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let stand_in = |byte: &u8| char::from_u32(BASE + u32::from(*byte)).unwrap_or_default();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte(c) {
                None => text.push(c),
                Some(_) => text.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().map(stand_in)),
            }
        }
        text.extend(chunk.invalid().iter().map(stand_in));
    }
    text
}

/// The text with each such byte written as `\xe9`: for where only UTF-8 can be kept.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !is_in(text) {
        return Cow::Borrowed(text);
    }
    let each = text.chars().map(|c| match byte(c) {
        Some(byte) => format!("\\x{byte:02x}"),
        None => c.to_string(),
    });
    Cow::Owned(each.collect())
}

/// The bytes that a text carries.
pub(crate) fn bytes(text: &str) -> Cow<'_, [u8]> {
    bytes_of(text.as_bytes())
}

/// The same of a message, of which the text is a part.
pub(crate) fn bytes_of(text: &[u8]) -> Cow<'_, [u8]> {
    // Both bytes in front are the same for all that stand for one.
    let next = |from: &[u8]| from.windows(4).position(|four| stands_for(four).is_some());
    let Some(mut at) = next(text) else {
        return Cow::Borrowed(text);
    };
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    loop {
        bytes.extend_from_slice(&rest[..at]);
        bytes.extend(stands_for(&rest[at..at + 4]));
        rest = &rest[at + 4..];
        match next(rest) {
            Some(more) => at = more,
            None => break,
        }
    }
    bytes.extend_from_slice(rest);
    Cow::Owned(bytes)
}

fn stands_for(four: &[u8]) -> Option<u8> {
    match four {
        [0xF4, 0x8F, high @ (0xBA | 0xBB), low @ 0x80..=0xBF] => {
            Some(0x80 + (high - 0xBA) * 0x40 + (low - 0x80))
        }
        _ => None,
    }
}

/// For an argument or a variable of a program.
pub(crate) fn os(text: &str) -> OsString {
    OsString::from_vec(bytes(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back() {
        let every: Vec<u8> = (0..=255).collect();
        for written in [
            &every[..],
            b"caf\xe9",
            "café 🛟".as_bytes(),
            "\u{10fe80}\u{10feff}\u{10fe7f}\u{10ff00}".as_bytes(),
            b"\xf4\x8f\xba",
            b"",
        ] {
            let carried = text(written);
            assert_eq!(*bytes(&carried), *written, "{carried:?}");
        }
    }

    #[test]
    fn what_is_utf_8_stays_as_it_is() {
        assert_eq!(text("größe".as_bytes()), "größe");
        assert!(!is_in("größe \u{10fe7f}\u{10ff00}"));
        assert_eq!(text(b"gr\xf6\xdfe"), "gr\u{10fef6}\u{10fedf}e");
        assert!(is_in(&text(b"gr\xf6\xdfe")));
        assert!(is_in(&text("\u{10fe80}".as_bytes())));
        assert_eq!(shown(&text(b"a\nc\xe9")), "a\nc\\xe9");
    }
}
