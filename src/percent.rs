//! Percent-encoding, read strictly.

/// All but the characters that a URL may hold anywhere as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    encode_unless(text, |_, byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// Writes every byte but the plain ones as `%XX`; `is_plain` gets its position, too.
pub(crate) fn encode_unless(text: &str, is_plain: impl Fn(usize, u8) -> bool) -> String {
    let encoded = text.bytes().enumerate().map(|(at, byte)| match byte {
        byte if is_plain(at, byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The text that is meant; `None` if no two hex digits follow a `%`, or the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    String::from_utf8(decode_bytes(text)?).ok()
}

/// The bytes that are meant; `None` if no two hex digits follow a `%`.
pub(crate) fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.as_bytes().split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(hex[0])? * 16 + digit(hex[1])?).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_once() {
        for (text, decoded) in [
            ("a%2520b", "a%20b"),
            ("a%2Fb+c%C3%bc", "a/b+cü"),
            ("%41%42", "AB"),
            ("", ""),
        ] {
            assert_eq!(decode(text).as_deref(), Some(decoded));
        }
        for unsound in ["%", "%2", "a%zz", "%ff", "%+1", "%%41", "%4é"] {
            assert_eq!(decode(unsound), None, "{unsound}");
        }
    }
}
