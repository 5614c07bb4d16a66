//! Chunks: where rows that follow each other are cut into parts. An end follows from the rows themselves: rows that
//! come, go or change move only the ends of the chunks that they are in.

use super::reuse_key::ReuseKey;

/// How large the chunks of a table are. Kept as long as a table has about the same size: another one moves every
/// end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkSize(u32);

/// A chunk and what compressing it takes lie in memory for each session.
const MOST_BYTES: u64 = 16 << 20;

impl ChunkSize {
    /// About 1 MiB of text.
    const SMALLEST: Self = Self(19);
    /// About 8 MiB.
    const LARGEST: Self = Self(22);

    /// For a table of this size in the database; `kept` is what the table had before.
    pub fn of_table(table_bytes: u64, kept: Option<Self>) -> Self {
        let wanted = Self(match table_bytes >> 20 {
            0..0x100 => 19,
            0x100..0x800 => 20,
            0x800..0x4000 => 21,
            _ => 22,
        });
        // One step more or less is no reason to store a table anew.
        kept.filter(|kept| kept.0.abs_diff(wanted.0) <= 1)
            .unwrap_or(wanted)
    }

    /// As kept in a state.
    pub fn from_bits(bits: u32) -> Option<Self> {
        let size = Self(bits);
        (Self::SMALLEST..=Self::LARGEST)
            .contains(&size)
            .then_some(size)
    }

    pub fn bits(self) -> u32 {
        self.0
    }

    pub fn mean(self) -> u64 {
        2 << self.0
    }

    /// A chunk is smaller only at the end of a slice, or before a row that would make it too large.
    pub fn least(self) -> u64 {
        self.mean() / 4
    }

    /// A chunk is larger only where one row is.
    pub fn most(self) -> u64 {
        (4 * self.mean()).min(MOST_BYTES)
    }

    /// How many low bits must be zero after a row of this length. Long rows ask for fewer: chunks of a table have
    /// about the same size, however wide its rows are.
    fn zero_bits(self, bytes: u64) -> u32 {
        self.0.saturating_sub(bytes.max(1).ilog2())
    }
}

/// Finds the ends of chunks in the rows of one slice after the other.
pub struct ChunkFinder {
    key: ReuseKey,
    size: ChunkSize,
    /// Of the chunk that has not ended.
    bytes: u64,
    rows: u64,
}

/// How many rows the chunk has that ends before a row, and the one that ends after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    pub before: Option<u64>,
    pub after: Option<u64>,
}

impl ChunkFinder {
    pub fn new(key: &ReuseKey, size: ChunkSize) -> Self {
        Self {
            key: key.clone(),
            size,
            bytes: 0,
            rows: 0,
        }
    }

    /// Takes the next row by its length and its digest.
    pub fn row(&mut self, bytes: usize, digest: u128) -> Ends {
        let bytes = bytes as u64;
        let mut ends = Ends::default();
        if self.rows > 0 && self.bytes + bytes > self.size.most() {
            ends.before = Some(self.end());
        }
        self.bytes += bytes;
        self.rows += 1;
        if self.bytes >= self.size.least() && self.key.ends(digest, self.size.zero_bits(bytes)) {
            ends.after = Some(self.end());
        }
        ends
    }

    /// Ends the last chunk of a slice: how many rows it has, 0 where there is none.
    pub fn end(&mut self) -> u64 {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64_with_seed;

    use super::*;
    use crate::model::table_digest::RowShape;

    const SIZE: ChunkSize = ChunkSize::SMALLEST;

    fn key() -> ReuseKey {
        ReuseKey::parse(&"ab".repeat(32)).unwrap()
    }

    /// Rows as long as `width` on average, all different.
    fn rows(seed: u64, count: usize, width: u64) -> Vec<Vec<u8>> {
        let row = |number: usize| {
            let random = xxh3_64_with_seed(&number.to_le_bytes(), seed);
            let length = 1 + random % (2 * width);
            let filler = "x".repeat(length as usize);
            format!("{seed}\t{number}\t{filler}\n").into_bytes()
        };
        (0..count).map(row).collect()
    }

    /// The chunks of rows that arrive in blocks of so many rows.
    fn chunks(rows: &[Vec<u8>], rows_a_block: usize) -> Vec<Vec<u8>> {
        let (key, mut chunks, mut held) = (key(), Vec::new(), Vec::new());
        let mut finder = ChunkFinder::new(&key, SIZE);
        for block in rows.chunks(rows_a_block) {
            let mut block = block.concat();
            let (mut at, mut cuts) = (0, Vec::new());
            let shape = RowShape::default();
            let each = |bytes, digest| {
                let ends = finder.row(bytes, digest);
                cuts.extend(ends.before.map(|_| at));
                at += bytes;
                cuts.extend(ends.after.map(|_| at));
            };
            shape.digest_each(&mut block, each).unwrap();
            let mut from = 0;
            for cut in cuts {
                held.extend_from_slice(&block[from..cut]);
                chunks.push(std::mem::take(&mut held));
                from = cut;
            }
            held.extend_from_slice(&block[from..]);
        }
        if !held.is_empty() {
            chunks.push(held);
        }
        chunks
    }

    /// How many chunks of `after` are not among those of `before`.
    fn fresh(before: &[Vec<u8>], after: &[Vec<u8>]) -> usize {
        let mut known: BTreeMap<&[u8], usize> = BTreeMap::new();
        for chunk in before {
            *known.entry(chunk).or_default() += 1;
        }
        let mut fresh = 0;
        for chunk in after {
            match known.get_mut(chunk.as_slice()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => fresh += 1,
            }
        }
        fresh
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn chunks_keep_their_bounds_and_do_not_depend_on_how_rows_arrive(
            seed: u64, width in 1_u64..20_000, blocks in prop::collection::vec(1_usize..5_000, 3),
        ) {
            let rows = rows(seed, (24 << 20) / (width as usize + 20), width);
            let whole = chunks(&rows, rows.len());
            prop_assert_eq!(whole.concat(), rows.concat());
            let longest = rows.iter().map(Vec::len).max().unwrap() as u64;
            for chunk in &whole[..whole.len() - 1] {
                let bytes = chunk.len() as u64;
                prop_assert!(bytes >= SIZE.least() || bytes + longest > SIZE.most());
                prop_assert!(bytes <= SIZE.most());
            }
            let mean = (24_u64 << 20) / whole.len() as u64;
            prop_assert!((SIZE.mean() / 3..2 * SIZE.mean()).contains(&mean), "{} bytes", mean);
            for rows_a_block in blocks {
                prop_assert_eq!(&chunks(&rows, rows_a_block), &whole);
            }
        }

        #[test]
        fn a_changed_row_changes_few_chunks(
            seed: u64, width in 1_u64..5_000, at: prop::sample::Index, what in 0..3,
        ) {
            let before = rows(seed, (24 << 20) / (width as usize + 20), width);
            let at = at.index(before.len());
            let mut after = before.clone();
            match what {
                0 => after.insert(at, b"a new row\n".to_vec()),
                1 => { after.remove(at); }
                _ => after[at] = b"another row\n".to_vec(),
            }
            let (before, after) = (chunks(&before, 999), chunks(&after, 999));
            // The chunk with the row, and those until the ends meet again.
            prop_assert!(fresh(&before, &after) <= 8, "{} of {}", fresh(&before, &after), after.len());
        }
    }

    #[test]
    fn a_changed_row_changes_two_chunks_on_average() {
        let before = rows(7, 60_000, 400);
        let chunks_before = chunks(&before, 999);
        let changed: usize = (0..40)
            .map(|step| {
                let mut after = before.clone();
                after.remove(step * 1_499);
                fresh(&chunks_before, &chunks(&after, 999))
            })
            .sum();
        assert!(changed <= 80, "{changed} chunks for 40 rows");
    }

    #[test]
    fn equal_rows_are_cut_by_size_and_a_huge_row_is_alone() {
        let equal = vec![b"the same\n".to_vec(); 3 << 20];
        let bounds = SIZE.least()..=SIZE.most();
        let equal = chunks(&equal, 1 << 20);
        assert!(
            equal[..equal.len() - 1]
                .iter()
                .all(|one| bounds.contains(&(one.len() as u64)))
        );
        let mut rows = rows(1, 100, 100);
        let huge = [vec![b'x'; 20 << 20], b"\n".to_vec()].concat();
        rows.insert(50, huge.clone());
        let cut = chunks(&rows, 10);
        assert!(
            cut.contains(&huge),
            "{:?}",
            cut.iter().map(Vec::len).collect::<Vec<_>>()
        );
    }

    #[test]
    fn another_key_cuts_elsewhere() {
        let rows = rows(3, 60_000, 400);
        let ends = |key: &str| -> Vec<usize> {
            let mut finder = ChunkFinder::new(&ReuseKey::parse(key).unwrap(), SIZE);
            let digest = |row: &Vec<u8>| xxhash_rust::xxh3::xxh3_128(row);
            let ended = rows
                .iter()
                .enumerate()
                .filter_map(|(at, row)| finder.row(row.len(), digest(row)).after.map(|_| at));
            ended.collect()
        };
        let (one, other) = (ends(&"1".repeat(64)), ends(&"2".repeat(64)));
        let shared = one.iter().filter(|at| other.contains(at)).count();
        assert!(one.len() > 10 && shared <= 2, "{shared} of {}", one.len());
    }

    #[test]
    fn a_table_keeps_its_size_of_chunks_until_it_is_far_larger() {
        let of = |mib: u64, kept| ChunkSize::of_table(mib << 20, kept).mean() >> 20;
        assert_eq!(
            [
                of(1, None),
                of(300, None),
                of(3 << 10, None),
                of(1 << 20, None)
            ],
            [1, 2, 4, 8]
        );
        let small = Some(ChunkSize::of_table(0, None));
        assert_eq!([of(300, small), of(3 << 10, small)], [1, 4]);
        assert_eq!(ChunkSize::from_bits(22), Some(ChunkSize::LARGEST));
        assert_eq!(
            [ChunkSize::from_bits(18), ChunkSize::from_bits(23)],
            [None, None]
        );
    }
}
