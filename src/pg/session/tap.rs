//! Rows of a COPY, taken off the stream before tokio-postgres sees them.
//!
//! It would hand out each row with a counted reference, over two queues: an eighth of what an export
//! costs. Here the payload of CopyData goes into one block of many rows, and only the messages
//! around it go on. What is sent passes [`Outgoing`]. Protocol: PostgreSQL documentation, "Message Formats".

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outgoing::{Outgoing, Piece};

/// Read from the socket at once. A server sends rows in pieces of 8 KiB.
const BUFFER_BYTES: usize = 128 * 1024;

/// A block is handed over after the row that makes it this large. Each becomes a zstd frame of an
/// export: smaller ones compress more slowly, larger ones leave the processor's cache.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;

/// A block, and the row that fills it if that is not wide.
const RESERVED_BYTES: usize = BLOCK_BYTES + BLOCK_BYTES / 2;

/// Messages are gathered until so much is to be sent; of a larger one, what is left is not copied.
const GATHERED_BYTES: usize = 16 * 1024;

/// No CommandComplete that counts rows is longer.
const MAX_TAG: usize = 64;

/// The protocol's lengths are signed.
const MAX_MESSAGE: usize = i32::MAX as usize;

/// Where a tap puts blocks, and a reader takes them.
#[derive(Clone, Default)]
pub(crate) struct Rows(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    block: Option<Vec<u8>>,
    /// The rest of this COPY is to be dropped.
    unwanted: bool,
    /// The tap's, while the slot is full; the reader's, while it is empty.
    waiting: Option<Waker>,
}

impl Rows {
    /// Whole rows, as soon as there are some.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Vec<u8>> {
        let mut slot = self.lock();
        match slot.block.take() {
            Some(block) => {
                slot.wake();
                Poll::Ready(block)
            }
            None => {
                slot.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Begins a COPY.
    fn begin(&self) {
        *self.lock() = Slot::default();
    }

    /// The rest of the COPY is read and dropped.
    pub(crate) fn abandon(&self) {
        let mut slot = self.lock();
        slot.unwanted = true;
        slot.block = None;
        slot.wake();
    }

    /// Puts a block in once there is room for it; takes it then.
    fn poll_put(&self, cx: &Context<'_>, block: &mut Vec<u8>) -> Poll<()> {
        let mut slot = self.lock();
        if slot.unwanted {
            block.clear();
        } else if slot.block.is_some() {
            slot.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        } else {
            slot.block = Some(std::mem::take(block));
            slot.wake();
        }
        Poll::Ready(())
    }

    fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        let mut slot = self.lock();
        if slot.block.is_none() {
            return Poll::Ready(());
        }
        slot.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

/// What the next bytes from the server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The first byte of all: an answer to SSLRequest, or a message.
    First,
    /// A message's tag and length.
    Header,
    /// This number of further bytes of a message.
    Message(usize),
    /// This number of further bytes of a row.
    Row(usize),
    /// Encrypted: another tap is behind the encryption.
    Opaque,
}

impl Next {
    /// The rest of a message or row, if something is left of it.
    fn after(left: usize, rest: fn(usize) -> Self) -> Self {
        if left == 0 { Self::Header } else { rest(left) }
    }
}

/// The rows that arrived of one statement. Its end says how many were sent: whatever lies between us and the server
/// must not have lost one, or brought one twice.
#[derive(Debug, Default)]
struct Arrived {
    rows: u64,
    /// Rows were announced: the end of a statement counts what it gave, and not what it did.
    announced: bool,
}

impl Arrived {
    /// A message, and the start of its text.
    fn count(&mut self, tag: u8, text: &[u8]) -> io::Result<()> {
        match tag {
            // DataRow, and CopyData from the server
            b'D' | b'd' => self.rows += 1,
            // RowDescription, CopyOutResponse, BindComplete
            b'T' | b'H' | b'2' => {
                *self = Self {
                    rows: 0,
                    announced: true,
                }
            }
            // CopyInResponse: what is counted then is what the server took.
            b'G' => self.announced = false,
            // CommandComplete. What is wrong stays so: the error may come behind what was read before it.
            b'C' => {
                self.compare(text)?;
                *self = Self::default();
            }
            // ErrorResponse, EmptyQueryResponse, PortalSuspended
            b'E' | b'I' | b's' => *self = Self::default(),
            // ReadyForQuery
            b'Z' if self.rows > 0 => {
                let rows = self.rows;
                return Err(lost(format!("{rows} rows arrived, and no end of them")));
            }
            b'Z' => *self = Self::default(),
            _ => {}
        }
        Ok(())
    }

    /// With what the end of a statement says, if that is a count of rows.
    fn compare(&self, text: &[u8]) -> io::Result<()> {
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let words = std::str::from_utf8(text)
            .unwrap_or_default()
            .split_once(' ');
        let Some(("SELECT" | "FETCH" | "COPY", sent)) = words else {
            return Ok(());
        };
        match sent.parse::<u64>() {
            Ok(sent) if self.announced && sent != self.rows => Err(lost(format!(
                "the server sent {sent} rows, {} arrived",
                self.rows
            ))),
            _ => Ok(()),
        }
    }
}

fn lost(what: String) -> io::Error {
    let what =
        format!("{what}: something between this machine and the server changes what they send");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A stream to the server, with the rows of COPY taken off.
pub(crate) struct Tap<S> {
    inner: S,
    buffer: Box<[u8]>,
    /// What was read and not looked at yet.
    start: usize,
    end: usize,
    next: Next,
    copying: bool,
    arrived: Arrived,
    block: Vec<u8>,
    rows: Rows,
    /// So many of a message's last bytes tell a setting of the server, which tokio-postgres reads as UTF-8.
    setting: usize,
    outgoing: Outgoing,
    /// Taken, and not sent yet.
    unsent: Vec<u8>,
}

impl<S> Tap<S> {
    pub(crate) fn new(inner: S, rows: Rows) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER_BYTES].into(),
            start: 0,
            end: 0,
            next: Next::First,
            copying: false,
            arrived: Arrived::default(),
            block: Vec::new(),
            rows,
            setting: 0,
            outgoing: Outgoing::default(),
            unsent: Vec::new(),
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Sorts what was read. Pending: a block waits for its reader. Ready: more must be read, or
    /// `out` is full.
    fn poll_sort(&mut self, cx: &Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.start < self.end && out.remaining() > 0 {
            match self.next {
                Next::First => {
                    self.next = match self.buffer[self.start] {
                        // TLS was asked for and refused: messages follow.
                        b'N' => Next::Message(1),
                        b'S' => Next::Opaque,
                        _ => Next::Header,
                    };
                }
                Next::Opaque => {
                    self.pass(usize::MAX, out);
                }
                Next::Header => match ready!(self.poll_header(cx)) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Ok(())),
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Next::Message(left) => {
                    self.make_ascii(left);
                    let left = left - self.pass(left, out);
                    self.next = Next::after(left, Next::Message);
                }
                Next::Row(left) => {
                    let here = left.min(self.end - self.start);
                    let row = &self.buffer[self.start..self.start + here];
                    self.block.extend_from_slice(row);
                    self.start += here;
                    self.next = Next::after(left - here, Next::Row);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at a message's header, which stays where it is unless it is a row's. False: it has not
    /// arrived yet.
    fn poll_header(&mut self, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        let Some([tag, length @ ..]) = self.buffer[self.start..self.end].first_chunk::<5>() else {
            return Poll::Ready(Ok(false));
        };
        let (tag, length) = (*tag, u32::from_be_bytes(*length) as usize);
        if !(4..=MAX_MESSAGE).contains(&length) {
            let what = "a message from the server has no sound length";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let message = &self.buffer[self.start..self.end];
        if tag == b'C' && message.len() <= length.min(MAX_TAG) {
            // What it counts is looked at as a whole.
            return Poll::Ready(Ok(false));
        }
        let is_row = self.copying && tag == b'd';
        let is_wide = is_row && length > BLOCK_BYTES;
        // Rows come before the message behind them. A wide row is a block by itself.
        if !self.block.is_empty() && (!is_row || is_wide || self.block.len() >= BLOCK_BYTES) {
            ready!(self.rows.poll_put(cx, &mut self.block));
        }
        if is_wide {
            // Two of them do not wait for the reader.
            ready!(self.rows.poll_empty(cx));
        }
        let told = message.get(5..=length).unwrap_or_default();
        self.arrived.count(tag, told)?;
        if is_row {
            self.start += 5;
            self.make_room(length - 4);
            self.next = Next::Row(length - 4);
            return Poll::Ready(Ok(true));
        }
        match tag {
            // CopyOutResponse
            b'H' => {
                self.copying = true;
                self.rows.begin();
            }
            // CopyDone, ErrorResponse, ReadyForQuery
            b'c' | b'E' | b'Z' => self.copying = false,
            _ => {}
        }
        self.setting = if tag == b'S' { length - 4 } else { 0 };
        self.next = Next::Message(length + 1);
        Poll::Ready(Ok(true))
    }

    /// A block is not moved while it grows, unless its rows are wide. Of one size, because what one
    /// leaves in the heap then fits the next.
    fn make_room(&mut self, row: usize) {
        let room = self.block.capacity() - self.block.len();
        if self.block.is_empty() {
            self.block.reserve_exact(row.max(RESERVED_BYTES));
        } else if room < row {
            self.block.reserve_exact(row);
        }
    }

    /// Of a message of which so much is left, nobody here needs a setting that is not ASCII.
    fn make_ascii(&mut self, left: usize) {
        let from = self.start + left.saturating_sub(self.setting);
        let end = self.end.min(self.start + left);
        let bytes = self.buffer.get_mut(from..end).unwrap_or_default();
        for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii()) {
            *byte = b'?';
        }
    }

    /// Hands on at most this number of bytes, and returns the number.
    fn pass(&mut self, most: usize, out: &mut ReadBuf<'_>) -> usize {
        let count = most.min(self.end - self.start).min(out.remaining());
        out.put_slice(&self.buffer[self.start..self.start + count]);
        self.start += count;
        count
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        loop {
            if this.next == Next::Opaque && this.start == this.end {
                return Pin::new(&mut this.inner).poll_read(cx, out);
            }
            let sorted = this.poll_sort(cx, out);
            // What is there is handed on first; the rest is asked for again.
            if out.filled().len() > before || out.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(sorted)?;
            this.buffer.copy_within(this.start..this.end, 0);
            (this.start, this.end) = (0, this.end - this.start);
            let mut into = ReadBuf::new(&mut this.buffer[this.end..]);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut into))?;
            let read = into.filled().len();
            if read == 0 {
                // Half a message, if any, is for the reader to complain of.
                this.pass(usize::MAX, out);
                return Poll::Ready(Ok(()));
            }
            this.end += read;
        }
    }
}

impl<S: AsyncWrite + Unpin> Tap<S> {
    /// Takes what is to be sent at once, and returns how many bytes: whole messages as long as they are small. Each
    /// sent by itself would wake the server, and with TLS be a record.
    fn gather(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.unsent.len() < GATHERED_BYTES {
            match self.outgoing.take(&bytes[taken..]) {
                Piece::AsIs(count) => {
                    let count = count.min(GATHERED_BYTES - self.unsent.len());
                    let piece = &bytes[taken..taken + count];
                    self.unsent.extend_from_slice(piece);
                    self.outgoing.passed(count);
                    taken += count;
                }
                Piece::Instead(count, instead) => {
                    self.unsent.extend(instead);
                    taken += count;
                }
            }
        }
        taken
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.next == Next::Opaque || bytes.is_empty() {
            return Pin::new(&mut this.inner).poll_write(cx, bytes);
        }
        ready!(this.poll_send(cx))?;
        let plain = this.outgoing.plain().min(bytes.len());
        if plain >= GATHERED_BYTES {
            let sent = ready!(Pin::new(&mut this.inner).poll_write(cx, &bytes[..plain]))?;
            this.outgoing.passed(sent);
            return Poll::Ready(Ok(sent));
        }
        let taken = this.gather(bytes);
        // Not everybody flushes before waiting for an answer.
        match this.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Gives its bytes in pieces of one size.
    struct Pieces {
        bytes: io::Cursor<Vec<u8>>,
        size: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let most = self.size.min(out.remaining());
            let read = self.bytes.read(out.initialize_unfilled_to(most))?;
            out.advance(read);
            Poll::Ready(Ok(()))
        }
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    /// What passed, and the blocks. Blocks are taken where nothing else goes on, and before a COPY ends.
    fn tapped(bytes: &[u8], size: usize) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
        tapped_into(1, bytes, size)
    }

    /// Read in pieces of this size.
    fn tapped_into(room: usize, bytes: &[u8], size: usize) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let rows = Rows::default();
        let bytes = io::Cursor::new(bytes.to_vec());
        let mut tap = Tap::new(Pieces { bytes, size }, rows.clone());
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut passed, mut blocks) = (Vec::new(), Vec::new());
        loop {
            let mut room = vec![0; room];
            let mut out = ReadBuf::new(&mut room);
            match Pin::new(&mut tap).poll_read(cx, &mut out) {
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if out.filled().is_empty() => break,
                Poll::Ready(Ok(())) => {
                    passed.extend_from_slice(out.filled());
                    if passed.ends_with(b"T")
                        && let Poll::Ready(block) = rows.poll(cx)
                    {
                        blocks.push(block);
                    }
                }
                Poll::Pending => match rows.poll(cx) {
                    Poll::Ready(block) => blocks.push(block),
                    Poll::Pending => panic!("nobody can go on"),
                },
            }
        }
        if let Poll::Ready(block) = rows.poll(cx) {
            blocks.push(block);
        }
        Ok((passed, blocks))
    }

    #[test]
    fn rows_are_taken_off_and_all_else_passes_in_order() {
        let wide = [vec![b'w'; 2 * BLOCK_BYTES], b"\n".to_vec()].concat();
        let narrow = b"1\tone\n".repeat(10);
        let before = [message(b'R', b"\0\0\0\0"), message(b'd', b"no COPY yet")].concat();
        let begin = message(b'H', b"\0\0\x02\0\0\0\0");
        let notice = message(b'N', b"in between");
        let end = [
            message(b'c', b""),
            message(b'C', b"COPY 21\0"),
            message(b'Z', b"T"),
        ]
        .concat();
        let rows: Vec<u8> = narrow
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|row| message(b'd', row))
            .collect();
        let copy = [
            &begin[..],
            &rows,
            &message(b'd', &wide),
            &notice,
            &rows,
            &end,
        ]
        .concat();
        let all = [&before[..], &copy, &copy].concat();
        let others = [&begin[..], &notice, &end].concat();
        for size in [1, 4, 5, 6, 1000, 1 << 20] {
            let (passed, blocks) = tapped(&all, size).unwrap();
            assert!(passed == [&before[..], &others, &others].concat(), "{size}");
            let expected = [&narrow, &wide, &narrow, &narrow, &wide, &narrow];
            assert!(blocks.iter().eq(expected), "{size}");
        }
    }

    #[test]
    fn a_row_that_got_lost_or_came_twice_is_an_error() {
        let row = |tag| message(tag, b"1\n");
        let end = |tag: &[u8]| [message(b'C', tag), message(b'Z', b"I")].concat();
        let (query, copy) = (
            [message(b'T', b""), row(b'D')],
            [message(b'H', b""), row(b'd')],
        );
        let (query, copy) = (query.concat(), copy.concat());
        let prepared = [message(b'2', b""), row(b'D')].concat();
        let made = end(b"SELECT 5\0");
        let took = [message(b'2', b""), message(b'G', b"")].concat();
        for (first, last, says) in [
            (&query, end(b"SELECT 1\0"), None),
            (&query, end(b"SHOW\0"), None),
            (&prepared, end(b"SELECT 1\0"), None),
            (&copy, end(b"COPY 1\0"), None),
            (&took, end(b"COPY 3\0"), None),
            (&Vec::new(), made, None),
            (&query, end(b"SELECT 2\0"), Some("sent 2 rows, 1 arrived")),
            (&query, end(b"FETCH 0\0"), Some("sent 0 rows, 1 arrived")),
            (
                &prepared,
                end(b"SELECT 2\0"),
                Some("sent 2 rows, 1 arrived"),
            ),
            (&copy, end(b"COPY 9\0"), Some("sent 9 rows, 1 arrived")),
            (&query, message(b'Z', b"I"), Some("no end of them")),
            (&copy, message(b'Z', b"I"), Some("no end of them")),
        ] {
            for (room, size) in [(1, 1), (1, 1000), (1000, 7), (1000, 1000)] {
                let all = [&first[..], &last].concat();
                let told = tapped_into(room, &all, size);
                let told = told.err().map(|error| error.to_string());
                let is_told = match says {
                    None => told.is_none(),
                    Some(says) => told.as_ref().is_some_and(|told| told.contains(says)),
                };
                assert!(is_told, "{says:?}, {room}, {size}: {told:?}");
            }
        }
        // A notice in between, and the next statement, count nothing.
        let two = [
            &query[..],
            &message(b'N', b""),
            &end(b"SELECT 1\0"),
            &query,
            &end(b"SELECT 1\0"),
        ]
        .concat();
        assert!(tapped(&two, 3).is_ok());
    }

    #[test]
    fn a_block_is_full_with_the_row_that_fills_it() {
        let row = [vec![b'r'; 99_999], b"\n".to_vec()].concat();
        let rows = message(b'd', &row).repeat(25);
        let bytes = [message(b'H', b""), rows, message(b'c', b"")].concat();
        let (_, blocks) = tapped(&bytes, 8192).unwrap();
        let sizes: Vec<usize> = blocks.iter().map(|block| block.len() / row.len()).collect();
        assert_eq!(sizes, [11, 11, 3]);
        assert!(
            blocks
                .iter()
                .all(|block| block.capacity() == RESERVED_BYTES)
        );
    }

    #[test]
    fn the_answer_to_a_request_for_tls_decides() {
        let copy = [
            message(b'H', b""),
            message(b'd', b"1\n"),
            message(b'c', b""),
        ]
        .concat();
        let refused = [b"N", &copy[..]].concat();
        let (passed, blocks) = tapped(&refused, 3).unwrap();
        assert_eq!((passed.len(), blocks.len()), (1 + 5 + 5, 1));
        let granted = [b"S", &copy[..]].concat();
        let (passed, blocks) = tapped(&granted, 3).unwrap();
        assert_eq!((passed, blocks.len()), (granted, 0));
    }

    #[test]
    fn what_nobody_wants_does_not_stop_what_comes_behind() {
        let rows = Rows::default();
        let wide = message(b'd', &vec![b'w'; BLOCK_BYTES + 1]).repeat(5);
        let bytes = [message(b'H', b""), wide, message(b'c', b"")].concat();
        let bytes = io::Cursor::new(bytes);
        let mut tap = Tap::new(Pieces { bytes, size: 4096 }, rows.clone());
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut passed, mut abandoned) = (0, false);
        while passed < 10 {
            let mut room = [0; 100];
            let mut out = ReadBuf::new(&mut room);
            match Pin::new(&mut tap).poll_read(cx, &mut out) {
                Poll::Ready(done) => done.unwrap(),
                Poll::Pending => {
                    assert!(!abandoned, "it waits for somebody who has gone");
                    rows.abandon();
                    abandoned = true;
                }
            }
            passed += out.filled().len();
        }
        assert!(abandoned);
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        for length in [0, 3, u32::MAX] {
            let bytes = [b"R", &length.to_be_bytes()[..], b"rest"].concat();
            assert!(tapped(&bytes, 100).is_err(), "{length}");
        }
    }

    /// Takes at most so many bytes at a time, and every other time none yet.
    struct Socket {
        writes: Vec<Vec<u8>>,
        most: usize,
        is_full: bool,
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.is_full = !self.is_full;
            if self.is_full {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let count = self.most.min(bytes.len());
            self.writes.push(bytes[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What a socket gets that takes `most` bytes at a time, of pieces that are written one after the other.
    async fn sent(pieces: impl Iterator<Item = &[u8]>, most: usize) -> Vec<Vec<u8>> {
        let socket = Socket {
            writes: Vec::new(),
            most,
            is_full: false,
        };
        let mut tap = Tap::new(socket, Rows::default());
        for piece in pieces {
            tap.write_all(piece).await.unwrap();
        }
        tap.flush().await.unwrap();
        tap.inner.writes
    }

    fn login() -> Vec<u8> {
        let startup = b"\0\x03\0\0user\0me\0\0";
        let length = u32::try_from(startup.len() + 4).unwrap().to_be_bytes();
        [&length[..], startup].concat()
    }

    #[tokio::test]
    async fn small_messages_are_sent_together() {
        let copy = message(b'P', b"s1\0COPY t TO STDOUT\0\0\0");
        let messages = [copy, message(b'D', b"Ss1\0"), message(b'S', b"")].concat();
        let sent = sent([&login()[..], &messages].into_iter(), usize::MAX).await;
        assert_eq!(sent, [login(), messages]);
    }

    #[tokio::test]
    async fn rows_are_sent_as_they_are_whatever_a_socket_takes_at_a_time() {
        let mut all = login();
        for size in [0, 1, GATHERED_BYTES - 6, GATHERED_BYTES, 100_000, 3] {
            let row: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
            all.extend(message(b'd', &row));
            all.extend(message(b'Q', b"SELECT 1\0"));
        }
        for (piece, most) in [
            (7, 5),
            (1000, 333),
            (64 << 10, 8 << 10),
            (all.len(), usize::MAX),
        ] {
            let sent = sent(all.chunks(piece), most).await;
            assert!(sent.concat() == all, "{piece}, {most}");
        }
    }
}
