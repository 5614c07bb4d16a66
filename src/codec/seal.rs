//! Plain bytes to a whole age file, in memory.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::Encryptor;
use age::stream::StreamWriter;
use age::x25519::Recipient;
use bytes::Bytes;
use sha2::Digest as _;
use zstd::zstd_safe::CParameter;

use crate::error::{Error, Result};
use crate::model::digest::Sha256;

/// Chosen by measurement: level 1 is both faster and smaller than 3 on JSON-heavy COPY text.
const ZSTD_LEVEL: i32 = 1;

/// Of the table of matches, half of level 1's: it fits beside the rest into a core's first cache. On
/// COPY text a tenth faster and a hundredth smaller; on source code it costs 3 %, and 12 would cost 9.
const ZSTD_HASH_LOG: u32 = 13;

/// Seals to a fixed set of age recipients.
#[derive(Clone)]
pub struct Sealer {
    recipients: Arc<[Recipient]>,
}

/// A finished age file and the hash of its bytes.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub bytes: Bytes,
    pub sha256: Sha256,
}

impl Sealed {
    /// Bytes that are stored as they are.
    pub fn unencrypted(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = Sha256::of(&bytes);
        Self { bytes, sha256 }
    }
}

impl Sealer {
    /// `recipients` are age X25519 recipients, `age1…`; at least one.
    pub fn new<'a>(recipients: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let recipients = recipients
            .into_iter()
            .map(|text| {
                text.parse::<Recipient>().map_err(|why| {
                    Error::usage(format!("'{text}' is not an age recipient: {why}")).hint(
                        "an X25519 recipient begins with age1; `age-keygen -y FILE` prints it",
                    )
                })
            })
            .collect::<Result<Arc<[_]>>>()?;
        if recipients.is_empty() {
            return Err(Error::usage("no age recipient is configured")
                .hint("`lifeboat init` writes a break-glass identity and its recipient"));
        }
        Ok(Self { recipients })
    }

    /// As age prints them.
    pub fn recipients(&self) -> Vec<String> {
        self.recipients.iter().map(ToString::to_string).collect()
    }

    /// Starts an object that is compressed and sealed, in `memory`, whatever that held.
    pub fn compressed(&self, memory: Vec<u8>) -> Result<SealedWriter> {
        let stored = Arc::new(AtomicU64::new(0));
        let age = self.age_writer(memory, Arc::clone(&stored))?;
        Ok(SealedWriter { age, stored })
    }

    /// Seals bytes that are compressed already.
    pub fn seal(&self, plain: &[u8]) -> Result<Sealed> {
        let mut age = self.age_writer(Vec::with_capacity(plain.len()), Arc::default())?;
        age.write_all(plain).map_err(in_memory)?;
        age.finish().map_err(in_memory).map(Sink::finish)
    }

    /// Compresses and seals.
    pub fn compress_and_seal(&self, plain: &[u8]) -> Result<Sealed> {
        let mut writer = self.compressed(Vec::with_capacity(plain.len() / 4))?;
        writer.write(plain, &mut Compressor::new()?)?;
        writer.finish()
    }

    fn age_writer(
        &self,
        mut memory: Vec<u8>,
        stored: Arc<AtomicU64>,
    ) -> Result<StreamWriter<Sink>> {
        memory.clear();
        let sink = Sink {
            bytes: memory,
            sha256: sha2::Sha256::new(),
            stored,
        };
        let recipients = self.recipients.iter().map(|one| one as &dyn age::Recipient);
        Encryptor::with_recipients(recipients)
            .map_err(|source| Error::failed("cannot encrypt to these recipients").because(source))?
            .wrap_output(sink)
            .map_err(in_memory)
    }
}

/// The most plain bytes in a frame. Past about 1 MiB larger ones are neither smaller nor
/// faster.
const MAX_FRAME_BYTES: usize = 2 * 1024 * 1024;

/// What compressing needs, kept from one frame to the next: making it anew costs more than a small
/// table does.
pub struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    frame: Vec<u8>,
}

impl Compressor {
    pub fn new() -> Result<Self> {
        let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(in_memory)?;
        zstd.set_parameter(CParameter::HashLog(ZSTD_HASH_LOG))
            .map_err(in_memory)?;
        Ok(Self {
            zstd,
            frame: Vec::new(),
        })
    }

    fn frame(&mut self, plain: &[u8]) -> Result<&[u8]> {
        self.frame.clear();
        self.frame
            .reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.zstd
            .compress_to_buffer(plain, &mut self.frame)
            .map_err(in_memory)?;
        Ok(&self.frame)
    }
}

/// An object in the making: plain bytes in, a whole age file around whole zstd frames out.
pub struct SealedWriter {
    age: StreamWriter<Sink>,
    stored: Arc<AtomicU64>,
}

impl SealedWriter {
    /// Each call makes a frame, or several of about the same size: compressing bytes that lie
    /// together is faster by a third than a stream, whose window is a ring.
    pub fn write(&mut self, plain: &[u8], with: &mut Compressor) -> Result<()> {
        // What is empty has an empty frame.
        let frames = plain.len().div_ceil(MAX_FRAME_BYTES).max(1);
        let frame_bytes = plain.len().div_ceil(frames);
        let mut rest = plain;
        for _ in 0..frames {
            let (part, after) = rest.split_at(frame_bytes.min(rest.len()));
            self.age.write_all(with.frame(part)?).map_err(in_memory)?;
            rest = after;
        }
        Ok(())
    }

    /// Bytes of the age file so far, but for its last chunk.
    pub fn stored_bytes(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    pub fn finish(self) -> Result<Sealed> {
        self.age.finish().map_err(in_memory).map(Sink::finish)
    }
}

/// The end of the pipe: memory, hashed as it arrives.
struct Sink {
    bytes: Vec<u8>,
    sha256: sha2::Sha256,
    stored: Arc<AtomicU64>,
}

impl Sink {
    fn finish(mut self) -> Sealed {
        // What was reserved and not needed would lie there until it is uploaded. Memory of which more was
        // used is worth keeping for the next object.
        if self.bytes.len() < self.bytes.capacity() / 4 {
            self.bytes.shrink_to_fit();
        }
        Sealed {
            bytes: self.bytes.into(),
            sha256: Sha256(self.sha256.finalize().into()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(part);
        self.sha256.update(part);
        self.stored
            .store(self.bytes.len() as u64, Ordering::Relaxed);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn in_memory(source: io::Error) -> Error {
    Error::failed("compressing or encrypting in memory failed").because(source)
}

/// Compresses an object that stays in clear.
pub fn compress(plain: &[u8]) -> Result<Bytes> {
    zstd::bulk::compress(plain, ZSTD_LEVEL)
        .map(Bytes::from)
        .map_err(in_memory)
}

/// One frame in the making that stays in clear, compressed as it grows.
pub(crate) struct Frame(zstd::Encoder<'static, Vec<u8>>);

impl Frame {
    pub(crate) fn new() -> Result<Self> {
        zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)
            .map(Self)
            .map_err(in_memory)
    }

    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<()> {
        self.0.write_all(plain).map_err(in_memory)
    }

    pub(crate) fn finish(self) -> Result<Bytes> {
        self.0.finish().map(Bytes::from).map_err(in_memory)
    }
}

/// Reads what [`compress`] or a [`Frame`] wrote, as a stream.
pub(crate) fn decompress(stored: Bytes) -> Result<impl Read + Send> {
    frames(io::Cursor::new(stored))
        .map_err(|source| Error::damaged("not a zstd frame").because(source))
}

/// 8 MiB, what RFC 8878 has every reader accept: a frame decides how much memory reading it takes, and zstd itself
/// would grant 128 MiB.
const MAX_WINDOW_LOG: u32 = 23;

/// Reads zstd frames in bounded memory.
pub(super) fn frames<R: io::BufRead>(stored: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(stored)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::super::{Identities, new_identity};
    use super::*;

    fn pair() -> (Sealer, Identities) {
        let (secret, recipient) = new_identity();
        let sealer = Sealer::new([recipient.as_str()]).unwrap();
        assert_eq!(sealer.recipients(), [recipient]);
        (sealer, Identities::from_secret(secret.as_bytes()).unwrap())
    }

    /// Bytes that nothing compresses.
    fn noise(bytes: u64) -> Vec<u8> {
        let words =
            (0..bytes.div_ceil(8)).map(|word| xxhash_rust::xxh3::xxh3_64(&word.to_le_bytes()));
        words.flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn frames_are_about_as_large_as_each_other_and_never_above_2_mib() {
        let (sealer, identities) = pair();
        let frames = |bytes: usize| -> Vec<u64> {
            let sealed = sealer.compress_and_seal(&vec![b'x'; bytes]).unwrap();
            let mut frames = Vec::new();
            let mut plain = identities.open(sealed.bytes).unwrap();
            plain.read_to_end(&mut frames).unwrap();
            let (mut rest, mut sizes) = (&frames[..], Vec::new());
            while !rest.is_empty() {
                let size = zstd::zstd_safe::get_frame_content_size(rest);
                sizes.push(size.ok().flatten().unwrap());
                let length = zstd::zstd_safe::find_frame_compressed_size(rest).unwrap();
                rest = &rest[length..];
            }
            sizes
        };
        assert_eq!(frames(0), [0]);
        assert_eq!(frames(2 << 20), [2 << 20]);
        assert_eq!(frames((2 << 20) + 1), [(1 << 20) + 1, 1 << 20]);
        assert_eq!(frames(5_000_000), [1_666_667, 1_666_667, 1_666_666]);
    }

    #[test]
    fn what_is_stored_so_far_is_told_but_for_the_last_chunk() {
        let (sealer, _) = pair();
        let mut writer = sealer.compressed(Vec::new()).unwrap();
        let mut with = Compressor::new().unwrap();
        for written in 1..=3 {
            writer.write(&noise(200_000), &mut with).unwrap();
            let stored = writer.stored_bytes();
            assert!(
                (written * 200_000 - 70_000..written * 201_000).contains(&stored),
                "{stored}"
            );
        }
        let before = writer.stored_bytes();
        let stored = writer.finish().unwrap().bytes.len() as u64;
        assert!((before..before + 70_000).contains(&stored), "{stored}");
    }

    #[test]
    fn memory_that_was_not_needed_is_given_back_and_other_is_kept() {
        let (sealer, _) = pair();
        let capacity = |plain: u64| {
            let mut writer = sealer.compressed(Vec::with_capacity(1 << 20)).unwrap();
            writer
                .write(&noise(plain), &mut Compressor::new().unwrap())
                .unwrap();
            Vec::from(writer.finish().unwrap().bytes).capacity()
        };
        assert!(capacity(1000) < 10_000);
        assert!(capacity(200_000) < 250_000);
        assert_eq!(capacity(400_000), 1 << 20);
    }

    #[test]
    fn a_frame_grows_as_it_is_written_and_reads_as_one() {
        let mut frame = Frame::new().unwrap();
        frame.write(b"1\n").unwrap();
        frame.write(b"2\n").unwrap();
        let mut plain = Vec::new();
        let stored = frame.finish().unwrap();
        decompress(stored).unwrap().read_to_end(&mut plain).unwrap();
        assert_eq!(plain, b"1\n2\n");
        let sealed = Sealed::unencrypted(&b"abc"[..]);
        assert_eq!(
            (sealed.sha256, &sealed.bytes[..]),
            (Sha256::of(b"abc"), &b"abc"[..])
        );
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sealed.sha256.to_string(), sha256);
    }
}
