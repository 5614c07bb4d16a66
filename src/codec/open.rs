//! Stored bytes back to plain ones.

use std::fs;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::stream::StreamReader;
use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use bytes::Bytes;

use super::seal::frames;
use crate::error::{Error, Kind, Result, ResultExt};

/// The secret keys at hand; by default none.
#[derive(Clone, Default)]
pub struct Identities {
    identities: Vec<Identity>,
}

/// Plain bytes of a sealed object, as a stream. Reading fails where the stored bytes were changed.
pub(crate) type Plain = Box<dyn Read + Send>;

impl Identities {
    /// Reads age identity files: lines of `AGE-SECRET-KEY-1…`, comments begin with `#`.
    pub fn from_files<P: AsRef<Path>>(files: &[P]) -> Result<Self> {
        let mut identities = Vec::new();
        for file in files {
            let path = file.as_ref();
            let text = fs::read_to_string(path)
                .context(|| format!("cannot read identity file {}", path.display()))?;
            if text.trim_start().starts_with("-----BEGIN PRIVATE KEY-----") {
                let what = format!("{} is a signing key, and no age identity", path.display());
                return Err(Error::usage(what).hint(
                    "a signing key signs manifests and opens nothing; give the identity, mostly break-glass.key",
                ));
            }
            let before = identities.len();
            for line in text.lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                // The line is secret: never part of a message.
                identities.push(line.parse::<Identity>().map_err(|why| {
                    Error::usage(format!(
                        "{} holds a line that is no age X25519 identity: {why}",
                        path.display()
                    ))
                    .hint(
                        "an identity is a line AGE-SECRET-KEY-1…; decrypt a passphrase-protected \
                           file with `age -d` first",
                    )
                })?);
            }
            if identities.len() == before {
                return Err(
                    Error::usage(format!("{} holds no age identity", path.display()))
                        .hint("an identity is a line that begins with AGE-SECRET-KEY-1"),
                );
            }
        }
        Ok(Self { identities })
    }

    /// Reads the text of one identity, as [`new_identity`] gives it.
    pub fn from_secret(secret: &[u8]) -> Result<Self> {
        let identity = std::str::from_utf8(secret)
            .ok()
            .and_then(|text| text.trim().parse::<Identity>().ok())
            // Whatever it is, it is secret: never part of a message.
            .ok_or_else(|| Error::damaged("what was opened is no age X25519 identity"))?;
        Ok(Self {
            identities: vec![identity],
        })
    }

    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// The recipients that these identities open for.
    pub fn recipients(&self) -> Vec<String> {
        self.identities
            .iter()
            .map(|identity| identity.to_public().to_string())
            .collect()
    }

    /// Opens what `Sealer::seal` wrote.
    pub fn open(&self, sealed: Bytes) -> Result<Plain> {
        Ok(Box::new(self.decrypt(sealed)?))
    }

    /// Opens what `Sealer::compressed` wrote.
    pub fn open_compressed(&self, sealed: Bytes) -> Result<Plain> {
        let plain = BufReader::with_capacity(64 * 1024, self.decrypt(sealed)?);
        let zstd = frames(plain)
            .map_err(|source| Error::damaged("no zstd frame inside").because(source))?;
        Ok(Box::new(zstd))
    }

    fn decrypt(&self, sealed: Bytes) -> Result<StreamReader<Cursor<Bytes>>> {
        let decryptor = Decryptor::new_buffered(Cursor::new(sealed))
            .map_err(|source| Error::damaged("not an age file").because(source))?;
        let identities = self.identities.iter().map(|one| one as &dyn age::Identity);
        decryptor
            .decrypt(identities)
            .map_err(|source| match source {
                DecryptError::NoMatchingKeys => {
                    Error::new(Kind::Denied, "none of the given identities opens it").hint(
                        "give --identity with one of the recipients that `lifeboat show` lists",
                    )
                }
                other => Error::damaged("cannot be opened").because(other),
            })
    }
}

/// A new age X25519 pair: the identity's text, which is secret, and its recipient's.
pub fn new_identity() -> (String, String) {
    let identity = Identity::generate();
    let recipient = identity.to_public().to_string();
    (identity.to_string().expose_secret().to_owned(), recipient)
}

#[cfg(test)]
mod tests {
    use super::super::{Compressor, Sealer};
    use super::*;

    fn pair() -> (Sealer, Identities) {
        let identity = Identity::generate();
        let recipient = identity.to_public().to_string();
        let identities = Identities {
            identities: vec![identity],
        };
        (Sealer::new([recipient.as_str()]).unwrap(), identities)
    }

    fn read(mut plain: Plain) -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        plain.read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let (sealer, identities) = pair();
        for size in [0, 1, 65_535, 65_536, 1_000_000, 5_000_000] {
            let plain: Vec<u8> = (0..size).map(|at: usize| (at * 31 % 251) as u8).collect();
            let sealed = sealer.compress_and_seal(&plain).unwrap();
            assert_eq!(
                sealed.sha256,
                crate::model::digest::Sha256::of(&sealed.bytes)
            );
            assert_eq!(
                read(identities.open_compressed(sealed.bytes).unwrap()).unwrap(),
                plain
            );
            let sealed = sealer.seal(&plain).unwrap();
            assert_eq!(read(identities.open(sealed.bytes).unwrap()).unwrap(), plain);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (sealer, identities) = pair();
        let (mut writer, mut compressor) = (
            sealer.compressed(b"used before".into()).unwrap(),
            Compressor::new().unwrap(),
        );
        writer.write(b"1\tone\n", &mut compressor).unwrap();
        writer.write(b"2\ttwo\n", &mut compressor).unwrap();
        let stored = writer.finish().unwrap().bytes;
        let opens = |bytes: Vec<u8>| {
            identities
                .open_compressed(bytes.into())
                .ok()
                .and_then(|plain| read(plain).ok())
        };
        assert!(opens(stored.to_vec()).is_some());
        for at in 0..stored.len() {
            let mut flipped = stored.to_vec();
            flipped[at] ^= 1;
            assert_eq!(opens(flipped), None, "byte {at}");
            assert_eq!(opens(stored[..at].to_vec()), None, "cut at {at}");
        }
    }

    #[test]
    fn another_identity_does_not_open() {
        let (sealer, _) = pair();
        let (_, other) = pair();
        let sealed = sealer.compress_and_seal(b"x").unwrap();
        let error = other.open_compressed(sealed.bytes).err().unwrap();
        assert_eq!(error.kind(), Kind::Denied);
    }

    /// What a reader takes of an object that does not end.
    const LIMIT: u64 = 1 << 20;

    fn begin(plain: Plain) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        plain.take(LIMIT).read_to_end(&mut all).ok().map(|_| all)
    }

    #[test]
    fn foreign_age_files_are_refused() {
        let (_, identities) = pair();
        crate::foreign::each("age", |stored| {
            let stored = Bytes::copy_from_slice(stored);
            assert!(
                identities
                    .open(stored.clone())
                    .ok()
                    .and_then(begin)
                    .is_none()
            );
            assert!(
                identities
                    .open_compressed(stored)
                    .ok()
                    .and_then(begin)
                    .is_none()
            );
        });
    }

    #[test]
    fn foreign_frames_are_refused_or_sealed_again_as_read() {
        let (sealer, identities) = pair();
        crate::foreign::each("zstd", |frames| {
            let sealed = sealer.seal(frames).unwrap().bytes;
            let read = identities.open_compressed(sealed).ok().and_then(begin);
            let stored = Bytes::copy_from_slice(frames);
            let clear = super::super::decompress(stored).ok();
            let clear = clear.and_then(|plain| begin(Box::new(plain)));
            assert_eq!(read, clear);
            if let Some(plain) = read {
                let again = sealer.compress_and_seal(&plain).unwrap().bytes;
                assert_eq!(
                    begin(identities.open_compressed(again).unwrap()),
                    Some(plain)
                );
            }
        });
    }

    #[test]
    fn a_frame_that_asks_for_more_than_8_mib_of_memory_is_refused() {
        let (sealer, identities) = pair();
        // An empty frame of one raw block; the sixth byte tells the window.
        let frame = |window_log: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 1, 0, 0];
        for (window_log, opens) in [
            (10, true),
            (23, true),
            (24, false),
            (27, false),
            (31, false),
        ] {
            let stored = Bytes::copy_from_slice(&frame(window_log));
            let clear = super::super::decompress(stored.clone()).ok();
            let clear = clear.and_then(|plain| begin(Box::new(plain)));
            assert_eq!(clear.is_some(), opens, "{window_log}");
            let sealed = sealer.seal(&stored).unwrap().bytes;
            let sealed = identities.open_compressed(sealed).ok().and_then(begin);
            assert_eq!(sealed.is_some(), opens, "{window_log}, sealed");
        }
        // What is written asks for less, however much it is.
        let plain = vec![b'x'; 20 << 20];
        let mut read = Vec::new();
        let stored = super::super::compress(&plain).unwrap();
        let mut clear = super::super::decompress(stored).unwrap();
        clear.read_to_end(&mut read).unwrap();
        assert!(read == plain);
    }

    #[test]
    fn identity_files_are_read_whole_and_what_holds_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (one, first) = new_identity();
        let (two, second) = new_identity();
        let good = file("good", &format!("# made today\n\n  {one}  \n"));
        let other = file("other", &two);
        let read = Identities::from_files(&[good.clone(), other]).unwrap();
        assert_eq!(read.recipients(), [first.clone(), second]);
        assert!(!read.is_empty() && Identities::default().is_empty());
        for (name, text, told) in [
            ("none", "# only a comment\n", "holds no age identity"),
            ("line", "AGE-SECRET-KEY-1WRONG\n", "no age X25519 identity"),
            ("pem", "-----BEGIN PRIVATE KEY-----\n", "is a signing key"),
        ] {
            // Behind one that holds an identity, too.
            let error = Identities::from_files(&[good.clone(), file(name, text)])
                .err()
                .unwrap();
            let all = error.chain();
            assert!(all.contains(told) && !all.contains("WRONG"), "{all}");
            assert!(!error.advice().is_empty());
        }
        let secret = Identities::from_secret(format!(" {one}\n").as_bytes()).unwrap();
        assert_eq!(secret.recipients(), [first]);
        assert!(Identities::from_secret(b"AGE-SECRET-KEY-1WRONG").is_err());
        assert!(Identities::from_secret(b"\xff").is_err());
    }
}
