//! The state of a point: which parts of it, and under which marks, a later export may name again. One code of the
//! reuse key is over all of it, so nobody else makes one that counts.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use jiff::Timestamp;

use super::layout::{MAX_STATE_PARTS, PointPath};
use super::state_lines::{
    About, Kept, Line, Lines, ListedPart, MAX_STORED_LINES, StoredUnderLock, TableLine, damaged,
};
use crate::codec::{ChunkSize, ReuseKey};
use crate::error::{Error, Result, ResultExt};
use crate::model::digest::{Mark, Sha256};
use crate::model::id::Id;
use crate::model::manifest::{ObjectRef, Part};

/// What a table had. A part takes some 200 bytes.
#[derive(Debug)]
pub(crate) struct StateTable {
    pub size: ChunkSize,
    pub list: Option<Kept>,
    /// How many parts its list names.
    pub listed: usize,
    /// The highest number of a part.
    pub highest: Option<u64>,
    /// Sorted by mark.
    parts: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    mark: Mark,
    rows: u64,
    copy_bytes: u64,
    /// In [`State::points`].
    point: u32,
    number: u64,
    version: Box<str>,
    bytes: u64,
    sha256: Sha256,
    until: Timestamp,
}

/// What an earlier export left to name again.
#[derive(Debug)]
pub(crate) struct State {
    pub about: About,
    /// In whose folders the parts lie.
    points: Vec<Id>,
    pub tables: BTreeMap<u32, StateTable>,
    /// What the exports up to this one stored under locks.
    pub stored: Vec<StoredUnderLock>,
}

impl State {
    /// Reads a state that is about this point, and whose code is that of the key. `None`: for a reader that names
    /// nothing again, and goes by the signed manifest's hash of it.
    pub(crate) fn read(stored: Bytes, key: Option<&ReuseKey>, about: &About) -> Result<Self> {
        if let Some(key) = key {
            Lines::check(stored.clone(), key)?;
        }
        let mut lines = Lines::new(stored)?;
        let Some(Line::About(found)) = lines.next()? else {
            return Err(damaged("does not say what it is about"));
        };
        if found != *about {
            return Err(Error::untrusted(
                "it is the state of another point, or for others",
            ));
        }
        let mut state = Self {
            about: found,
            points: Vec::new(),
            tables: BTreeMap::new(),
            stored: Vec::new(),
        };
        let (mut all, mut places) = (0, HashMap::new());
        while let Some(line) = lines.next()? {
            let table = match line {
                Line::Table(table) => table,
                Line::Stored(stored) if state.stored.len() < MAX_STORED_LINES => {
                    state.stored.push(stored);
                    continue;
                }
                _ => return Err(damaged("has a line in a wrong place")),
            };
            all += usize::try_from(table.parts)
                .unwrap_or(usize::MAX)
                .min(MAX_STATE_PARTS + 1);
            if all > MAX_STATE_PARTS {
                return Err(damaged("lists more parts than a reader accepts"));
            }
            let oid = table.oid;
            let table = state.read_table(table, &mut lines, &mut places)?;
            if state.tables.insert(oid, table).is_some() {
                return Err(damaged("lists a table twice"));
            }
        }
        Ok(state)
    }

    fn read_table(
        &mut self,
        line: TableLine,
        lines: &mut Lines,
        places: &mut HashMap<Id, u32>,
    ) -> Result<StateTable> {
        let size = ChunkSize::from_bits(line.chunk_bits)
            .ok_or_else(|| damaged("has chunks of an unknown size"))?;
        let mut table = StateTable {
            size,
            list: line.list,
            listed: 0,
            highest: None,
            parts: Vec::new(),
        };
        for _ in 0..line.parts {
            let Some(Line::Part(listed)) = lines.next()? else {
                return Err(damaged("lists less parts than it says"));
            };
            let known = self.known(line.oid, listed, places)?;
            table.highest = table.highest.max(Some(known.number));
            table.parts.push(known);
        }
        table.listed = table.parts.len();
        table.parts.sort_unstable_by_key(|one| one.mark);
        Ok(table)
    }

    /// `places`: of the points that are known already.
    fn known(
        &mut self,
        oid: u32,
        listed: ListedPart,
        places: &mut HashMap<Id, u32>,
    ) -> Result<Known> {
        let part = &listed.part;
        let place = PointPath::from_object_key(&part.object.key);
        let number = part.number();
        let (Some(place), Some(number)) = (place, number) else {
            return Err(damaged("names what is no part"));
        };
        if self.path(&place.id).part(oid, number)? != part.object.key {
            return Err(damaged("names a part of another table or database"));
        }
        let next = u32::try_from(self.points.len()).context(|| "too many points".to_owned())?;
        let point = *places.entry(place.id.clone()).or_insert(next);
        if point == next {
            self.points.push(place.id);
        }
        Ok(Known {
            mark: listed.mark,
            rows: part.rows,
            copy_bytes: part.copy_bytes,
            point,
            number,
            version: part.object.version.as_str().into(),
            bytes: part.object.bytes,
            sha256: part.object.sha256,
            until: listed.until,
        })
    }

    fn path(&self, id: &Id) -> PointPath {
        PointPath::new(&self.about.source, &self.about.database, id)
    }

    /// In whose folders its parts and lists lie.
    pub(crate) fn folders(&self) -> Vec<String> {
        let lists = self.tables.values().filter_map(|table| {
            let list = &table.list.as_ref()?.object;
            Some(PointPath::from_object_key(&list.key)?.id)
        });
        let mut ids: Vec<Id> = lists.chain(self.points.iter().cloned()).collect();
        ids.sort();
        ids.dedup();
        ids.iter().map(|id| self.path(id).folder()).collect()
    }

    /// Every object that it names.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Result<ObjectRef>> {
        let lists = self.tables.values().filter_map(|table| table.list.as_ref());
        let parts = self.tables.iter().flat_map(|(oid, table)| {
            let parts = table.parts.iter();
            parts.map(|known| self.object(*oid, known))
        });
        lists.map(|list| Ok(list.object.clone())).chain(parts)
    }

    /// The parts that a table's list names.
    pub(crate) fn parts_of(&self, oid: u32) -> impl Iterator<Item = Result<Part>> {
        let parts = self.tables.get(&oid).map(|table| &table.parts);
        parts.into_iter().flatten().map(move |known| {
            Ok(Part {
                object: self.object(oid, known)?,
                rows: known.rows,
                copy_bytes: known.copy_bytes,
            })
        })
    }

    /// Forgets what is not `there`. A list of which a part is gone is not whole.
    pub(crate) fn retain(&mut self, there: impl Fn(&ObjectRef) -> bool) -> Result<()> {
        let mut tables = std::mem::take(&mut self.tables);
        for (oid, table) in &mut tables {
            let mut kept = Vec::with_capacity(table.parts.len());
            for known in std::mem::take(&mut table.parts) {
                if there(&self.object(*oid, &known)?) {
                    kept.push(known);
                }
            }
            table.parts = kept;
            table.list = table.list.take().filter(|list| there(&list.object));
        }
        self.tables = tables;
        Ok(())
    }

    fn object(&self, oid: u32, known: &Known) -> Result<ObjectRef> {
        let id = self.points.get(known.point as usize);
        let id = id.ok_or_else(|| damaged("names a point that it does not list"))?;
        Ok(ObjectRef {
            key: self.path(id).part(oid, known.number)?,
            version: known.version.to_string(),
            bytes: known.bytes,
            sha256: known.sha256,
        })
    }

    /// A part with exactly these rows that is kept until `needed` and not `taken` yet, by its place among the table's;
    /// then it is taken.
    pub(crate) fn take(
        &self,
        oid: u32,
        wanted: (Mark, u64, u64),
        needed: Timestamp,
        taken: &mut [bool],
    ) -> Result<Option<ListedPart>> {
        let Some(table) = self.tables.get(&oid) else {
            return Ok(None);
        };
        let (mark, rows, copy_bytes) = wanted;
        let first = table.parts.partition_point(|known| known.mark < mark);
        let alike = table.parts[first..].iter().zip(first..);
        let mut alike = alike.take_while(|(known, _)| known.mark == mark);
        let fits = |known: &Known| {
            (known.rows, known.copy_bytes) == (rows, copy_bytes) && known.until >= needed
        };
        let found = alike.find(|(known, at)| fits(known) && taken.get(*at) == Some(&false));
        let Some((known, at)) = found else {
            return Ok(None);
        };
        taken[at] = true;
        Ok(Some(ListedPart {
            mark,
            part: Part {
                object: self.object(oid, known)?,
                rows,
                copy_bytes,
            },
            until: known.until,
        }))
    }
}

impl StateTable {
    /// Of the parts that are kept until `needed`: how many, and their stored bytes.
    pub(crate) fn kept_until(&self, needed: Timestamp) -> (u64, u64) {
        let kept = self.parts.iter().filter(|known| known.until >= needed);
        kept.fold((0, 0), |(parts, bytes), known| {
            (parts + 1, bytes + known.bytes)
        })
    }

    /// How many parts are left to be named.
    pub(crate) fn known(&self) -> usize {
        self.parts.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::state_lines::StateWriter;
    use super::*;
    use crate::codec;
    use crate::model::lock::LockMode;

    fn key(digit: &str) -> ReuseKey {
        ReuseKey::parse(&digit.repeat(64)).unwrap()
    }

    fn about() -> About {
        let id = "20261121T020000Z-k3v9q2".parse().unwrap();
        let path = PointPath::new("prod", "app", &id);
        let recipients = ["age1b".to_owned(), "age1a".to_owned()];
        About::new("repository", &path, &recipients, Some(LockMode::Compliance))
    }

    fn part(id: &str, oid: u32, number: u64, mark: u8) -> ListedPart {
        let path = PointPath::new("prod", "app", &id.parse().unwrap());
        ListedPart {
            mark: Mark([mark; 32]),
            part: Part {
                object: ObjectRef {
                    key: path.part(oid, number).unwrap(),
                    version: format!("v{number}"),
                    bytes: 10,
                    sha256: Sha256::of(&[mark]),
                },
                rows: 2,
                copy_bytes: 40,
            },
            until: "2026-12-30T00:00:00Z".parse().unwrap(),
        }
    }

    const OLD: &str = "20261120T020000Z-aaaaaa";
    const NEW: &str = "20261121T020000Z-k3v9q2";

    fn size() -> ChunkSize {
        ChunkSize::of_table(0, None)
    }

    fn stored_under_lock() -> StoredUnderLock {
        StoredUnderLock {
            at: "2026-11-21T02:00:00Z".parse().unwrap(),
            bytes: 30,
            until: "2026-12-30T00:00:00Z".parse().unwrap(),
        }
    }

    fn stored() -> Bytes {
        let mut writer = StateWriter::new(&key("1"), &about()).unwrap();
        let list = Kept {
            object: part(NEW, 7, 0, 0).part.object,
            until: "2026-12-30T00:00:00Z".parse().unwrap(),
        };
        let parts = vec![part(OLD, 7, 3, 9), part(OLD, 7, 4, 5), part(NEW, 7, 5, 9)];
        writer.table(7, size(), Some(list), parts).unwrap();
        writer.table(8, size(), None, Vec::new()).unwrap();
        writer.stored(&[stored_under_lock()]).unwrap();
        writer.finish().unwrap().unwrap().bytes
    }

    fn read(stored: Bytes) -> Result<State> {
        State::read(stored, Some(&key("1")), &about())
    }

    #[test]
    fn what_was_written_is_found_by_its_mark_once() {
        let state = read(stored()).unwrap();
        assert_eq!(state.stored, [stored_under_lock()]);
        let table = &state.tables[&7];
        assert_eq!(
            (table.highest, table.listed, table.known()),
            (Some(5), 3, 3)
        );
        let mut taken = vec![false; 3];
        let needed = "2026-12-29T00:00:00Z".parse().unwrap();
        let mut take = |mark: u8, rows| {
            let found = state.take(7, (Mark([mark; 32]), rows, 40), needed, &mut taken);
            found.unwrap().map(|listed| listed.part.number().unwrap())
        };
        assert_eq!(take(5, 3), None, "other rows");
        assert_eq!(take(5, 2), Some(4));
        assert_eq!(take(5, 2), None, "used already");
        let mut twice = [take(9, 2), take(9, 2)];
        twice.sort();
        assert_eq!(twice, [Some(3), Some(5)]);
        assert_eq!(take(9, 2), None);
        assert_eq!(take(1, 2), None);
        let late = "2026-12-30T00:00:01Z".parse().unwrap();
        let found = state.take(7, (Mark([5; 32]), 2, 40), late, &mut [false; 3]);
        assert_eq!(found.unwrap(), None, "its lock does not reach");
        let other = state.take(8, (Mark([5; 32]), 2, 40), needed, &mut []);
        assert_eq!(other.unwrap(), None, "of another table");
    }

    #[test]
    fn what_is_gone_is_forgotten_and_its_list_is_not_whole() {
        let mut state = read(stored()).unwrap();
        assert_eq!(state.objects().count(), 4);
        assert_eq!(state.folders().len(), 2);
        state
            .retain(|object| !object.key.as_str().contains(OLD))
            .unwrap();
        let table = &state.tables[&7];
        assert_eq!((table.listed, table.known()), (3, 1));
        assert!(table.list.is_some());
        state.retain(|_| false).unwrap();
        assert_eq!(state.tables[&7].list, None);
    }

    #[test]
    fn a_state_of_another_key_point_database_or_for_others_counts_for_nothing() {
        assert!(State::read(stored(), Some(&key("2")), &about()).is_err());
        let change: [fn(&mut About); 6] = [
            |about| about.repository.push('x'),
            |about| about.source.push('x'),
            |about| about.database.push('x'),
            |about| about.id = OLD.parse().unwrap(),
            |about| about.recipients.truncate(1),
            |about| about.mode = Some(LockMode::Governance),
        ];
        for change in change {
            let mut other = about();
            change(&mut other);
            assert!(State::read(stored(), Some(&key("1")), &other).is_err());
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_of_the_lines_is_noticed() {
        let mut lines = Vec::new();
        codec::decompress(stored())
            .unwrap()
            .read_to_end(&mut lines)
            .unwrap();
        let opens = |lines: &[u8]| read(codec::compress(lines).unwrap()).is_ok();
        assert!(opens(&lines));
        for at in 0..lines.len() {
            let mut flipped = lines.clone();
            flipped[at] ^= 1;
            // The last newline ends the code, which is whole without it.
            assert!(!opens(&flipped) || at + 1 == lines.len(), "byte {at}");
            assert!(!opens(&lines[..at]) || at + 1 == lines.len(), "cut at {at}");
        }
        assert!(!opens(&[lines.as_slice(), b"{}\n"].concat()));
    }

    #[test]
    fn every_flipped_byte_of_the_stored_state_leads_to_no_other_state() {
        let sound = format!("{:?}", read(stored()).unwrap());
        for at in 0..stored().len() {
            let mut flipped = stored().to_vec();
            flipped[at] ^= 0x10;
            if let Ok(state) = read(flipped.into()) {
                assert_eq!(format!("{state:?}"), sound, "byte {at}");
            }
        }
    }

    /// Whoever may write stores anything: it takes no memory before its code was looked at.
    #[test]
    fn a_state_is_read_only_once_its_code_is_right_and_has_an_end() {
        let about = serde_json::json!({ "about": about() }).to_string();
        let wrong = format!("{about}\nno line\n{{\"mac\":\"{}\"}}\n", "00".repeat(32));
        let why = read(codec::compress(wrong.as_bytes()).unwrap()).unwrap_err();
        assert!(
            why.to_string().contains("is not that of the reuse key"),
            "{why}"
        );
        let table = "{\"table\":{\"oid\":1,\"chunk_bits\":20,\"parts\":0,\"list\":null}}\n";
        let endless = codec::compress(table.repeat(660_000).as_bytes()).unwrap();
        assert!(endless.len() < 1 << 20);
        let why = read(endless).unwrap_err();
        assert!(why.to_string().contains("more lines than"), "{why}");
        let cut = codec::compress(format!("{about}\n").as_bytes()).unwrap();
        let why = State::read(cut, None, &super::tests::about()).unwrap_err();
        assert!(why.to_string().contains("ends before its code"), "{why}");
    }

    #[test]
    fn a_part_of_another_database_or_table_is_none() {
        for (wrong, oid) in [(part(OLD, 7, 3, 9), 8), (part(OLD, 7, 3, 9), 7)] {
            let mut about = about();
            if oid == 7 {
                about.database = "other".to_owned();
            }
            let mut writer = StateWriter::new(&key("1"), &about).unwrap();
            writer.table(oid, size(), None, vec![wrong]).unwrap();
            let stored = writer.finish().unwrap().unwrap().bytes;
            assert!(State::read(stored, Some(&key("1")), &about).is_err());
        }
    }

    /// Design: what 400,000 parts of some TB take is bounded, whatever the database is.
    #[test]
    fn a_hundred_thousand_parts_are_twenty_megabytes() {
        const PARTS: u32 = 100_000;
        let mut writer = StateWriter::new(&key("1"), &about()).unwrap();
        let parts = (0..PARTS).map(|number| {
            let mut listed = part(OLD, 7, u64::from(number), 0);
            listed.mark = Mark(Sha256::of(&number.to_be_bytes()).0);
            listed.part.object.sha256 = Sha256::of(&number.to_le_bytes());
            // As S3's are.
            listed.part.object.version = listed.mark.to_string()[..32].to_owned();
            listed
        });
        writer.table(7, size(), None, parts.collect()).unwrap();
        let stored = writer.finish().unwrap().unwrap().bytes;
        assert!(stored.len() < 14 << 20, "{} bytes", stored.len());
        let state = read(stored).unwrap();
        assert_eq!(state.tables[&7].known(), PARTS as usize);
        let bytes = size_of::<Known>() + 32 + 16;
        assert!(bytes <= 200, "{bytes} bytes a part");
    }

    #[test]
    fn a_reader_without_the_key_sees_the_parts() {
        let state = State::read(stored(), None, &about()).unwrap();
        let parts = state.parts_of(7).map(|part| part.unwrap().number());
        assert_eq!(
            parts.collect::<std::collections::BTreeSet<_>>(),
            [3, 4, 5].map(Some).into()
        );
        assert_eq!(state.parts_of(9).count(), 0);
    }

    /// What a state says, in an order of its own.
    fn said(state: &State) -> (Vec<Part>, Vec<ObjectRef>) {
        let parts = state.tables.keys().flat_map(|oid| state.parts_of(*oid));
        let mut parts: Vec<Part> = parts.map(Result::unwrap).collect();
        parts.sort_by(|one, other| one.object.key.cmp(&other.object.key));
        let objects = state.objects().map(Result::unwrap).collect();
        (parts, objects)
    }

    #[test]
    fn foreign_states_are_refused_or_written_again_as_read() {
        let id = "20261130T134526Z-vej908".parse().unwrap();
        let path = PointPath::new("frozen", "fixture", &id);
        crate::foreign::each("state", |lines| {
            // The state says itself what it is about: here it is believed.
            let first = lines
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            let Ok(Line::About(about)) = serde_json::from_slice(first) else {
                return;
            };
            let stored = codec::compress(lines).unwrap();
            let Ok(state) = State::read(stored, None, &about) else {
                return;
            };
            for part in said(&state).0 {
                let place = PointPath::from_object_key(&part.object.key).unwrap();
                assert_eq!(
                    (place.source, place.database),
                    (about.source.clone(), about.database.clone())
                );
            }
            let mut writer = StateWriter::new(&key("1"), &about).unwrap();
            for (oid, table) in &state.tables {
                let parts =
                    state
                        .parts_of(*oid)
                        .zip(&table.parts)
                        .map(|(part, known)| ListedPart {
                            mark: known.mark,
                            part: part.unwrap(),
                            until: known.until,
                        });
                writer
                    .table(*oid, table.size, table.list.clone(), parts.collect())
                    .unwrap();
            }
            writer.stored(&state.stored).unwrap();
            let stored = writer.finish().unwrap().unwrap().bytes;
            let again = State::read(stored, Some(&key("1")), &about).unwrap();
            assert_eq!((said(&again), &again.stored), (said(&state), &state.stored));
        });
        // The corpus holds one that is sound.
        let fixture = include_bytes!("../../tests/corpora/state/fixture");
        let about = About {
            recipients: vec![
                "age10h9tkuqrtmncp38lckmkzs0vepv67ratwkpq6mkk9zx4dpqmc5yqf5zm78".to_owned(),
                "age150medhmy3my98xu79heyrwhhjeffx2twdny52f5q0nz60jn27gksz3jt2c".to_owned(),
            ],
            ..About::new(
                "c1145e3d234f1035bdc40f6897e3745f",
                &path,
                &[],
                Some(LockMode::Compliance),
            )
        };
        let state = State::read(codec::compress(fixture).unwrap(), None, &about).unwrap();
        assert_eq!(state.tables.len(), 3);
    }
}
