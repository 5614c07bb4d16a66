//! Keys of format v1.

use std::fmt;

use jiff::Timestamp;

use crate::error::Result;
use crate::model::id::{Id, Key, from_segment, segment};
use crate::model::manifest::{Manifest, names};
use crate::model::run::{RunPurpose, RunText};
use crate::sign::Fingerprint;

pub(super) const MANIFESTS: &str = "manifests/";
pub(super) const PARTS: &str = "parts/";
pub(super) const SNAPSHOTS: &str = "snapshots/";
const PLAN: &str = "plan.json";
const ANNOUNCEMENTS: &str = "announcements/";
pub(super) const ATTESTATIONS: &str = "attestations/";
/// Between an attestation's time and the tag of the offline identity that opened the point.
const BY: &str = "-by-";
/// Of a recipient's last characters: enough to tell identities apart.
const TAG_CHARS: usize = 8;

/// What a reader accepts in memory before it has a signed size to go by.
pub(super) const MAX_MARKER_BYTES: u64 = 64 * 1024;
/// Of the announcement of a key.
pub(super) const MAX_ANNOUNCEMENT_BYTES: u64 = 64 * 1024;
/// Of `keys.json`: thousands of wrapped identities.
pub(super) const MAX_KEYS_BYTES: u64 = 4 * 1024 * 1024;
/// A larger attestation is not one of ours.
pub(super) const MAX_ATTESTATION_BYTES: u64 = 1024 * 1024;
/// A larger manifest is not one of ours.
pub(super) const MAX_MANIFEST_BYTES: u64 = 128 * 1024 * 1024;
/// What fits into it, at some 500 bytes a table.
pub(crate) const MAX_TABLES: usize = 250_000;
/// A snapshot record is some kilobytes, with all parameters that a user could set.
pub(super) const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;
/// Of a plan with some 100,000 databases.
pub(super) const MAX_RUN_BYTES: u64 = 32 * 1024 * 1024;
/// Of a catalog's JSON: the names and columns of about a million tables.
pub(crate) const MAX_CATALOG_BYTES: u64 = 1024 * 1024 * 1024;
/// Of a state: some 400,000 parts.
pub(super) const MAX_STATE_BYTES: u64 = 128 * 1024 * 1024;
/// More parts than this a state does not list: they take some 200 bytes each in an exporter's memory.
pub(super) const MAX_STATE_PARTS: usize = 400_000;
/// Of a line in a part list: a key of 900 bytes, a version id of 1024, and numbers.
pub(super) const MAX_PART_LINE_BYTES: u64 = 8 * 1024;

pub(super) fn marker() -> Result<Key> {
    "lifeboat.json".parse()
}

/// Where a new verification key is announced.
pub(super) fn announcement(of: Fingerprint) -> Result<Key> {
    format!("{ANNOUNCEMENTS}{of}.json").parse()
}

/// Where a restore point's objects lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointPath {
    pub source: String,
    pub database: String,
    pub id: Id,
}

impl PointPath {
    pub fn new(source: &str, database: &str, id: &Id) -> Self {
        Self {
            source: source.to_owned(),
            database: database.to_owned(),
            id: id.clone(),
        }
    }

    pub fn of(manifest: &Manifest) -> Self {
        Self::new(&manifest.source, &manifest.database, &manifest.id)
    }

    pub fn manifest(&self) -> Result<Key> {
        format!("{MANIFESTS}{}.json", self.middle()).parse()
    }

    /// The state beside the manifest, for the exporter.
    pub fn state(&self) -> Result<Key> {
        format!("{MANIFESTS}{}.state.zst", self.middle()).parse()
    }

    /// What the keys of all objects but the manifest and the state begin with.
    pub fn folder(&self) -> String {
        format!("{PARTS}{}/", self.middle())
    }

    pub fn object(&self, name: &str) -> Result<Key> {
        format!("{}{name}", self.folder()).parse()
    }

    pub fn part(&self, table_oid: u32, number: u64) -> Result<Key> {
        self.object(&format!("{table_oid}/{number}.copy.zst.age"))
    }

    pub fn part_list(&self, table_oid: u32) -> Result<Key> {
        self.object(&format!("{table_oid}/{}", names::PART_LIST))
    }

    /// One for each second: of two drills in one, the later takes the next. The name ends with a tag of the offline
    /// identity that opened the point: the few such attestations are found without reading all.
    pub fn attestation(&self, drilled_at: Timestamp, offline: Option<&str>) -> Result<Key> {
        let time = drilled_at.strftime("%Y%m%dT%H%M%SZ");
        let by = offline.map_or_else(String::new, |recipient| format!("{BY}{}", tag(recipient)));
        format!("{ATTESTATIONS}{}/{time}{by}.json", self.middle()).parse()
    }

    fn middle(&self) -> String {
        format!(
            "{}/{}/{}",
            segment(&self.source),
            segment(&self.database),
            self.id
        )
    }

    /// Reads `manifests/<source>/<database>/<id>.json`; `None` for any other key.
    pub fn from_manifest_key(key: &Key) -> Option<Self> {
        let rest = key
            .as_str()
            .strip_prefix(MANIFESTS)?
            .strip_suffix(".json")?;
        Self::from_segments(&mut rest.split('/'), true)
    }

    /// Reads the path that an object under `parts/` belongs to.
    pub fn from_object_key(key: &Key) -> Option<Self> {
        let rest = key.as_str().strip_prefix(PARTS)?;
        Self::from_segments(&mut rest.split('/'), false)
    }

    /// Reads the path that an attestation is about.
    pub fn from_attestation_key(key: &Key) -> Option<Self> {
        let rest = key.as_str().strip_prefix(ATTESTATIONS)?;
        Self::from_segments(&mut rest.strip_suffix(".json")?.split('/'), false)
    }

    /// When a drill was, as its attestation's name says.
    pub fn drill_time(key: &Key) -> Option<Timestamp> {
        let time = key.name().get(.."20261121T020000Z".len())?;
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time);
        let zoned = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(zoned.ok()?.timestamp())
    }

    /// When this recipient's identity, offline, opened a point, as an attestation's name says: sorts by
    /// time.
    pub fn opening_time<'a>(key: &'a Key, recipient: &str) -> Option<&'a str> {
        let (_, name) = key.as_str().rsplit_once('/')?;
        let (time, by) = name.strip_suffix(".json")?.split_once(BY)?;
        (by == tag(recipient)).then_some(time)
    }

    fn from_segments(segments: &mut std::str::Split<'_, char>, whole: bool) -> Option<Self> {
        let path = Self {
            source: from_segment(segments.next()?)?,
            database: from_segment(segments.next()?)?,
            id: segments.next()?.parse().ok()?,
        };
        (whole == segments.next().is_none()).then_some(path)
    }
}

/// `20261121T020000Z-k3v9q2 of prod/courses`
impl fmt::Display for PointPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}/{}", self.id, self.source, self.database)
    }
}

fn tag(recipient: &str) -> &str {
    let at = recipient.len().saturating_sub(TAG_CHARS);
    recipient.get(at..).unwrap_or_default()
}

/// Where the record of a snapshot copy lies.
pub(super) fn snapshot(source: &str, id: &Id) -> Result<Key> {
    format!("{SNAPSHOTS}{}/{id}.json", segment(source)).parse()
}

/// What the keys of all runs of a purpose begin with: whoever writes below one of them is denied the other.
pub(super) fn runs(purpose: RunPurpose) -> &'static str {
    match purpose {
        RunPurpose::Export => "runs/export/",
        RunPurpose::Prove => "runs/prove/",
    }
}

/// What the keys of a run begin with.
pub(super) fn run_folder(purpose: RunPurpose, run: &RunText) -> String {
    format!("{}{}/", runs(purpose), segment(run.as_str()))
}

pub(super) fn run_plan(purpose: RunPurpose, run: &RunText) -> Result<Key> {
    format!("{}{PLAN}", run_folder(purpose, run)).parse()
}

pub(super) fn run_report(
    purpose: RunPurpose,
    run: &RunText,
    shard: u32,
    attempt: u32,
) -> Result<Key> {
    format!("{}{shard}-{attempt}.json", run_folder(purpose, run)).parse()
}

pub(super) fn run_collected(purpose: RunPurpose, run: &RunText) -> Result<Key> {
    format!("{}collected.json", run_folder(purpose, run)).parse()
}

/// The run whose plan this is the key of.
pub(super) fn run_of_plan(purpose: RunPurpose, key: &Key) -> Option<RunText> {
    let run = key
        .as_str()
        .strip_prefix(runs(purpose))?
        .strip_suffix(PLAN)?;
    from_segment(run.strip_suffix('/')?)?.try_into().ok()
}

/// Shard and attempt in the name of a report.
pub(super) fn shard_and_attempt(key: &Key) -> Option<(u32, u32)> {
    let (shard, attempt) = key.name().strip_suffix(".json")?.split_once('-')?;
    Some((shard.parse().ok()?, attempt.parse().ok()?))
}

/// The prefix of what lies in one of the repository's folders: of a source, of one of its databases, or
/// of all.
pub(super) fn below(folder: &str, source: Option<&str>, database: Option<&str>) -> String {
    match (source, database) {
        (Some(source), Some(database)) => {
            format!("{folder}{}/{}/", segment(source), segment(database))
        }
        (Some(source), None) => format!("{folder}{}/", segment(source)),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_from_its_keys() {
        let path = PointPath {
            source: "prod".into(),
            database: "../a b".into(),
            id: "20261121T020000Z-k3v9q2".parse().unwrap(),
        };
        assert_eq!(
            path.manifest().unwrap().as_str(),
            "manifests/prod/%2E.%2Fa%20b/20261121T020000Z-k3v9q2.json"
        );
        assert_eq!(
            PointPath::from_manifest_key(&path.manifest().unwrap()),
            Some(path.clone())
        );
        assert_eq!(
            PointPath::from_object_key(&path.part(1, 2).unwrap()),
            Some(path.clone())
        );
        assert_eq!(
            PointPath::from_object_key(&path.object("keys.json").unwrap()),
            Some(path.clone())
        );
        let drilled_at = "2026-11-22T03:04:05.6Z".parse().unwrap();
        let second: Timestamp = "2026-11-22T03:04:05Z".parse().unwrap();
        for (offline, name) in [
            (None, "/20261122T030405Z.json"),
            (Some("age1aabcdefgh"), "/20261122T030405Z-by-abcdefgh.json"),
        ] {
            let key = path.attestation(drilled_at, offline).unwrap();
            assert!(key.as_str().ends_with(name), "{key}");
            assert_eq!(PointPath::from_attestation_key(&key), Some(path.clone()));
            assert_eq!(PointPath::drill_time(&key), Some(second));
            let time = |recipient| PointPath::opening_time(&key, recipient);
            let expected = offline.map(|_| "20261122T030405Z");
            assert_eq!(time("age1aabcdefgh"), expected);
            assert_eq!(time("age1aabcdefgi"), None);
        }
        assert_eq!(
            PointPath::from_manifest_key(&path.object("keys.json").unwrap()),
            None
        );
    }

    #[test]
    fn foreign_keys_are_of_nothing_or_written_again_as_read() {
        crate::foreign::each_text("texts", |text| {
            let Ok(key) = text.parse::<Key>() else { return };
            if let Some(path) = PointPath::from_manifest_key(&key) {
                assert_eq!(path.manifest().unwrap(), key);
            }
            if let Some(path) = PointPath::from_object_key(&key) {
                assert!(
                    text.starts_with(&path.folder()) || text == path.folder().trim_end_matches('/')
                );
            }
            if PointPath::from_attestation_key(&key).is_some() {
                let _ = (
                    PointPath::drill_time(&key),
                    PointPath::opening_time(&key, "age1aé"),
                );
            }
            for purpose in [RunPurpose::Export, RunPurpose::Prove] {
                if let Some(run) = run_of_plan(purpose, &key) {
                    assert_eq!(run_plan(purpose, &run).unwrap(), key);
                }
            }
            let _ = shard_and_attempt(&key);
        });
    }
}
