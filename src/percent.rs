//! Percent-encoding, read strictly.

/// The text that is meant; `None` where no two hex digits follow a `%`, or the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.as_bytes().split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(hex[0])? * 16 + digit(hex[1])?).ok()?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).ok()
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
