//! Messages to the server, with the bytes that their texts carry (see [`opaque`]): tokio-postgres sends
//! UTF-8 alone, and names of a server may be anything.
//!
//! Protocol: PostgreSQL documentation, "Message Formats".

use crate::opaque;

/// What the next bytes to the server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A request for TLS, or the login's parameters: length, code, the rest.
    Login,
    /// A tag, a length, the rest.
    Message,
    /// This number of further bytes that pass as they are.
    Plain(usize),
}

/// Takes what is to be sent, and gives what is sent instead.
#[derive(Debug)]
pub(super) struct Outgoing {
    next: Next,
    /// Of a message with text, until it is whole.
    begun: Vec<u8>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            next: Next::Login,
            begun: Vec::new(),
        }
    }
}

/// A request for TLS, or to cancel: no login follows on its heels.
const REQUESTS: [[u8; 4]; 2] = [80_877_103_u32.to_be_bytes(), 80_877_102_u32.to_be_bytes()];

/// What becomes of the first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This number of bytes is sent as it is; what was sent of them, [`Outgoing::passed`] is told.
    AsIs(usize),
    /// This number of bytes is taken, and these, which may be none yet, are sent.
    Instead(usize, Vec<u8>),
}

impl Outgoing {
    /// Looks at the first of these bytes, of which there is one at least.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Piece {
        let head = match self.next {
            Next::Plain(left) => return Piece::AsIs(left.min(bytes.len())),
            Next::Login => 4,
            Next::Message => 5,
        };
        let here = self.wanted(head).min(bytes.len());
        self.begun.extend_from_slice(&bytes[..here]);
        if self.begun.len() < head {
            return Piece::Instead(here, Vec::new());
        }
        if head == 5 && !has_text(self.begun[0]) {
            self.next = match self.wanted(head) {
                0 => Next::Message,
                left => Next::Plain(left),
            };
            return Piece::Instead(here, std::mem::take(&mut self.begun));
        }
        let is_whole = self.wanted(head) == 0;
        let whole = is_whole.then(|| self.end(head));
        Piece::Instead(here, whole.unwrap_or_default())
    }

    /// How many of the next bytes belong to a message that passes as it is.
    pub(super) fn plain(&self) -> usize {
        match self.next {
            Next::Plain(left) => left,
            Next::Login | Next::Message => 0,
        }
    }

    /// This number of bytes was sent as it was.
    pub(super) fn passed(&mut self, count: usize) {
        if let Next::Plain(left) = self.next {
            self.next = match left.saturating_sub(count) {
                0 => Next::Message,
                left => Next::Plain(left),
            };
        }
    }

    /// How many bytes of its head, or else of all, the begun message lacks.
    fn wanted(&self, head: usize) -> usize {
        let whole = match self.begun.get(head - 4..head) {
            Some(length) => {
                length
                    .iter()
                    .fold(0, |all, one| (all << 8) | usize::from(*one))
                    + head
                    - 4
            }
            None => head,
        };
        whole.saturating_sub(self.begun.len())
    }

    /// The begun message, which is whole, as it is sent.
    fn end(&mut self, head: usize) -> Vec<u8> {
        let message = std::mem::take(&mut self.begun);
        if self.next == Next::Login {
            let is = |code: &[u8; 4]| message.get(4..8) == Some(&code[..]);
            if REQUESTS.iter().any(is) {
                return message;
            }
            self.next = Next::Message;
        }
        let body = opaque::bytes_of(&message[head..]);
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        [&message[..head - 4], &length.to_be_bytes(), &body].concat()
    }
}

/// Query and Parse: a statement. Rows and the values of parameters pass as they are.
fn has_text(tag: u8) -> bool {
    matches!(tag, b'Q' | b'P')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [tag, &length[..], body].concat()
    }

    fn sent(bytes: &[u8], size: usize) -> Vec<u8> {
        let (mut outgoing, mut sent) = (Outgoing::default(), Vec::new());
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let taken = match outgoing.take(piece) {
                    Piece::AsIs(count) => {
                        // Half of it, as a full socket would have it.
                        let some = count.div_ceil(2);
                        sent.extend_from_slice(&piece[..some]);
                        outgoing.passed(some);
                        some
                    }
                    Piece::Instead(count, instead) => {
                        sent.extend(instead);
                        count
                    }
                };
                assert!(taken > 0);
                piece = &piece[taken..];
            }
        }
        sent
    }

    #[test]
    fn texts_become_their_bytes_and_nothing_else_changes() {
        let carried = opaque::text(b"caf\xe9");
        let with = |name: &[u8]| {
            let login = [&b"\0\x03\0\0database\0"[..], name, b"\0\0"].concat();
            let query = [&b"TABLE "[..], name, b"\0"].concat();
            let parse = [&b"s1\0TABLE "[..], name, b"\0\0\0"].concat();
            [
                message(b"", &REQUESTS[0]),
                message(b"", &login),
                message(b"Q", &query),
                message(b"S", b""),
                // A row is not a text of ours.
                message(b"d", carried.as_bytes()),
                message(b"P", &parse),
                message(b"Q", b"SELECT 1\0"),
            ]
            .concat()
        };
        for size in [1, 3, 7, 1000] {
            let sent = sent(&with(carried.as_bytes()), size);
            assert!(sent == with(b"caf\xe9"), "{size}");
        }
    }
}
