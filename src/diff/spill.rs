//! Which rows only one of two sides has, whatever their number: 16 bytes of each row go to a temporary folder, into
//! buckets by their first bits; then one bucket after the other is counted. Rows themselves are never on disk.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result, ResultExt as _};
use crate::humanize;
use crate::interrupt::Interrupt;

/// On disk.
pub(super) const DIGEST_BYTES: u64 = 16;
/// That a digest and its count take in a bucket's table, at most.
const COUNTED_BYTES: u64 = 80;
/// Each is a file for each side.
const MAX_BUCKET_BITS: u32 = 12;
/// What waits to be written, of all buckets together.
const BUFFERED_BYTES: usize = 32 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub struct SpillOptions {
    /// Below which the temporary folder is made.
    pub folder: PathBuf,
    /// Memory for the counting of one bucket.
    pub bucket_bytes: u64,
}

impl Default for SpillOptions {
    /// In `$TMPDIR`.
    fn default() -> Self {
        Self {
            folder: std::env::temp_dir(),
            bucket_bytes: 256 * 1024 * 1024,
        }
    }
}

/// Whose row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    A,
    B,
}

pub(super) struct Spill {
    /// Removed with this value.
    folder: TempDir,
    bits: u32,
    /// For each bucket what is not written yet, of A and of B.
    buffers: Vec<[Vec<u8>; 2]>,
    flush_bytes: usize,
}

/// How often rows are on one side alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub only_a: u64,
    pub only_b: u64,
    /// The smallest digests of such rows, and how much more often each is there.
    pub some_of_a: BTreeMap<u128, u64>,
    pub some_of_b: BTreeMap<u128, u64>,
}

impl Spill {
    /// `rows`: how many will come, of both sides. More take more memory.
    pub(super) fn new(options: &SpillOptions, rows: u64) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("lifeboat-diff-")
            .tempdir_in(&options.folder)
            .map_err(|why| unwritable(&options.folder, rows, why))?;
        let needed = rows.saturating_mul(COUNTED_BYTES);
        let buckets = needed.div_ceil(options.bucket_bytes.max(1)).max(1);
        let bits = buckets.next_power_of_two().ilog2().min(MAX_BUCKET_BITS);
        let buckets = 1_usize << bits;
        Ok(Self {
            folder,
            bits,
            buffers: vec![[Vec::new(), Vec::new()]; buckets],
            flush_bytes: (BUFFERED_BYTES / (2 * buckets)).min(READ_BYTES),
        })
    }

    pub(super) fn add(&mut self, whose: Whose, digest: u128) -> Result<()> {
        // Without any bit there is one bucket.
        let bucket = digest.checked_shr(128 - self.bits).unwrap_or_default();
        let bucket = usize::try_from(bucket).unwrap_or_default();
        let buffer = &mut self.buffers[bucket][whose as usize];
        buffer.extend_from_slice(&digest.to_ne_bytes());
        match buffer.len() < self.flush_bytes {
            true => Ok(()),
            false => self.flush(bucket, whose),
        }
    }

    fn flush(&mut self, bucket: usize, whose: Whose) -> Result<()> {
        let path = self.path(bucket, whose);
        let buffer = &mut self.buffers[bucket][whose as usize];
        // Opened each time: there are more buckets than files that may be open.
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(buffer));
        buffer.clear();
        written.map_err(|why| unwritable(self.folder.path(), 0, why))
    }

    fn path(&self, bucket: usize, whose: Whose) -> PathBuf {
        let side = match whose {
            Whose::A => 'a',
            Whose::B => 'b',
        };
        self.folder.path().join(format!("{side}{bucket}"))
    }

    /// Counts one bucket after the other, and keeps at most `keep` digests of each side. It blocks.
    pub(super) fn compare(mut self, keep: usize, interrupt: &Interrupt) -> Result<Difference> {
        let mut difference = Difference::default();
        for bucket in 0..self.buffers.len() {
            interrupt.check()?;
            let mut counts: HashMap<u128, i64> = HashMap::new();
            for (whose, sign) in [(Whose::A, 1), (Whose::B, -1)] {
                self.flush(bucket, whose)?;
                let path = self.path(bucket, whose);
                let count = |digest: u128| *counts.entry(digest).or_default() += sign;
                read(&path, interrupt, count)
                    .context(|| format!("cannot read {}", path.display()))?;
                fs::remove_file(&path).context(|| format!("cannot remove {}", path.display()))?;
            }
            difference.add(counts, keep);
        }
        Ok(difference)
    }
}

impl Difference {
    /// Buckets come in the order of their digests, so that the first are the smallest.
    fn add(&mut self, counts: HashMap<u128, i64>, keep: usize) {
        let mut counts: Vec<(u128, i64)> =
            counts.into_iter().filter(|(_, more)| *more != 0).collect();
        counts.sort_unstable();
        for (digest, more) in counts {
            let (only, some) = match more > 0 {
                true => (&mut self.only_a, &mut self.some_of_a),
                false => (&mut self.only_b, &mut self.some_of_b),
            };
            *only += more.unsigned_abs();
            if some.len() < keep {
                some.insert(digest, more.unsigned_abs());
            }
        }
    }
}

fn read(path: &Path, interrupt: &Interrupt, mut count: impl FnMut(u128)) -> Result<()> {
    let mut file = File::open(path).context(|| "it does not open".to_owned())?;
    let mut block = vec![0; READ_BYTES];
    loop {
        interrupt.check()?;
        let mut filled = 0;
        while filled < block.len() {
            match file.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(Error::failed("it does not read").because(why)),
            }
        }
        let (digests, rest) = block[..filled].as_chunks::<{ DIGEST_BYTES as usize }>();
        if !rest.is_empty() {
            return Err(Error::failed("it was cut while we used it"));
        }
        digests
            .iter()
            .for_each(|digest| count(u128::from_ne_bytes(*digest)));
        if filled < block.len() {
            return Ok(());
        }
    }
}

/// `rows`: how many are to be written, where that is known.
fn unwritable(folder: &Path, rows: u64, why: std::io::Error) -> Error {
    let room = match rows {
        0 => String::new(),
        rows => {
            let bytes = humanize::bytes(rows.saturating_mul(DIGEST_BYTES));
            format!(", here {bytes}")
        }
    };
    let what = format!("cannot write digests of rows below {}", folder.display());
    Error::failed(what).because(why).hint(format!(
        "let TMPDIR name a folder with room for {DIGEST_BYTES} bytes of each row of either side{room}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::interrupt;

    /// Spread over all buckets.
    fn digest(number: u64) -> u128 {
        u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    }

    fn spill(folder: &Path, bucket_bytes: u64, rows: u64) -> Spill {
        let options = SpillOptions {
            folder: folder.to_owned(),
            bucket_bytes,
        };
        Spill::new(&options, rows).unwrap()
    }

    fn is_empty(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().next().is_none()
    }

    #[test]
    fn rows_of_one_side_are_counted_whatever_the_number_of_buckets() {
        let folder = tempfile::tempdir().unwrap();
        // 300,000 rows of which buckets take a few hundred each, or all.
        for (bucket_bytes, bits) in [(1 << 40, 0), (1 << 20, 5), (20_000, 11), (1, 12)] {
            let mut spill = spill(folder.path(), bucket_bytes, 300_000);
            assert_eq!(spill.bits, bits, "{bucket_bytes}");
            for number in 0..150_000 {
                spill.add(Whose::A, digest(number)).unwrap();
            }
            // A has 70 that B lacks, B has 10 that A lacks, and one of A's four times more.
            for number in (70..150_010).rev() {
                spill.add(Whose::B, digest(number)).unwrap();
            }
            for _ in 0..4 {
                spill.add(Whose::B, digest(100)).unwrap();
            }
            let difference = spill.compare(3, &Interrupt::never()).unwrap();
            assert_eq!((difference.only_a, difference.only_b), (70, 14));
            let mut smallest: Vec<u128> = (0..70).map(digest).collect();
            smallest.sort_unstable();
            let kept: Vec<u128> = difference.some_of_a.keys().copied().collect();
            assert_eq!(kept, smallest[..3]);
            let all: u64 = difference.some_of_b.values().sum();
            assert!((3..=6).contains(&all), "{difference:?}");
            assert!(is_empty(folder.path()));
        }
    }

    #[test]
    fn one_row_many_times_takes_the_memory_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = spill(folder.path(), 1000, 200_000);
        for _ in 0..100_000 {
            spill.add(Whose::A, digest(7)).unwrap();
        }
        for _ in 0..99_998 {
            spill.add(Whose::B, digest(7)).unwrap();
        }
        let difference = spill.compare(1, &Interrupt::never()).unwrap();
        assert_eq!((difference.only_a, difference.only_b), (2, 0));
        assert_eq!(difference.some_of_a, BTreeMap::from([(digest(7), 2)]));
    }

    #[test]
    fn a_full_disk_is_an_error_that_says_what_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = spill(folder.path(), 1 << 40, 1000);
        // Every write there fails as on a full disk.
        std::os::unix::fs::symlink("/dev/full", spill.path(0, Whose::B)).unwrap();
        let mut add = (0..).map(|number| spill.add(Whose::B, digest(number)));
        let error = add.find_map(Result::err).unwrap();
        assert!(error.chain().contains("No space left"), "{}", error.chain());
        assert!(error.advice().contains("TMPDIR"), "{}", error.advice());
        drop(add);
        drop(spill);
        assert!(is_empty(folder.path()));
        let options = SpillOptions {
            folder: folder.path().join("nowhere"),
            bucket_bytes: 1,
        };
        let error = Spill::new(&options, 1 << 26).err().unwrap();
        assert!(error.advice().contains("1.0 GiB"), "{}", error.advice());
    }

    #[test]
    fn counting_stops_on_request_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = spill(folder.path(), 1, 1000);
        (0..1000).for_each(|number| spill.add(Whose::A, digest(number)).unwrap());
        let (trigger, interrupt) = interrupt();
        trigger.set();
        assert!(spill.compare(1, &interrupt).is_err());
        assert!(is_empty(folder.path()));
    }

    #[test]
    fn what_waits_to_be_written_is_bounded_and_spread_over_the_buckets() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(spill(folder.path(), 1 << 40, 1).flush_bytes, 64 * 1024);
        let mut spill = spill(folder.path(), 1, 1 << 20);
        // Two sides of 4096 buckets: 32 MiB.
        assert_eq!((spill.buffers.len(), spill.flush_bytes), (4096, 4096));
        (0..10_000).for_each(|number| spill.add(Whose::A, digest(number)).unwrap());
        let used = spill.buffers.iter().filter(|both| !both[0].is_empty());
        assert!(used.count() > 3000);
        // One bucket waits until it is full, and then for nothing.
        for number in 1..=256 {
            spill.add(Whose::B, number).unwrap();
            let waiting = usize::try_from(16 * number % 4096).unwrap();
            assert_eq!(spill.buffers[0][1].len(), waiting);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = spill(folder.path(), 1 << 40, 10);
        spill.add(Whose::A, 1).unwrap();
        fs::write(spill.path(0, Whose::B), b"cut").unwrap();
        let error = spill.compare(1, &Interrupt::never()).unwrap_err();
        assert!(error.chain().contains("it was cut"), "{}", error.chain());
        // It opens, and every read of it fails.
        let error = read(folder.path(), &Interrupt::never(), |_| {}).unwrap_err();
        assert!(error.chain().contains("does not read"), "{}", error.chain());
    }
}
