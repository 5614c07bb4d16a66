//! Everything that the page shows.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::codec::Identities;
use crate::error::Result;
use crate::model::attestation::{Assertion, NotTriedCount, Verdict, Walls};
use crate::model::id::Id;
use crate::model::keys::KeyRing;
use crate::model::lock::Lock;
use crate::model::manifest::NotCovered;
use crate::model::snapshot::CopyStatus;
use crate::model::state::{NotShown, State};
use crate::model::table_change::Summary;
use crate::repository::{Announcement, Leftover};
use crate::sign::Fingerprint;

/// How many databases are shown in detail.
pub(super) const SECTIONS: usize = 120;

/// What the caller knows and the repository does not say.
pub struct Options {
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// When all this was found; ages count from it.
    pub now: Timestamp,
    pub limits: Limits,
    /// Databases that have a place on the page, with restore points or without: source and name, the worst first.
    pub databases: Vec<(String, String)>,
    /// What `status` found.
    pub findings: Vec<String>,
    /// Databases in other states than `states`, and what it found of them.
    pub not_shown: NotShown,
    pub copies: Vec<CopyStatus>,
    pub leftovers: Vec<Leftover>,
    /// Points that are the base of no comparison, as too many claim their period; `None`: not known, and nothing
    /// is compared.
    pub contested: Option<Vec<Id>>,
    /// Open every point, however many there are.
    pub all: bool,
    /// `databases` are those in these states, and no others have a place; none: of any state.
    pub states: Vec<State>,
    /// They decrypt the values of assertions; none: the page shows only whether assertions held.
    pub identities: Identities,
    /// Recipients' names, as far as the configuration knows them.
    pub recipients: BTreeMap<String, String>,
}

/// What the findings were judged by, and cells are marked by.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub export_age: SignedDuration,
    pub copy_age: SignedDuration,
    pub drill_age: SignedDuration,
}

/// Everything that the page is made from.
pub(super) struct Facts<'a> {
    pub repository: &'a str,
    pub trust: &'a [Fingerprint],
    pub options: Options,
    /// The worst first.
    pub databases: Vec<Database>,
    /// Keys that are believed because a pinned one announced them.
    pub announced: Vec<Announcement>,
    /// These credentials may not read attestations.
    pub drills_denied: bool,
    /// Those of `status`, then what only a reading of everything shows.
    pub findings: Vec<String>,
    /// For each database, the positions of its findings.
    pub findings_of: Vec<Vec<usize>>,
}

impl Facts<'_> {
    /// How many points were not opened.
    pub(super) fn not_opened(&self) -> usize {
        self.databases.iter().map(Database::not_opened).sum()
    }

    /// What `--state` left out, where anything was found of it.
    pub(super) fn left_out(&self) -> Option<String> {
        let not_shown = self.options.not_shown;
        not_shown.line().filter(|_| not_shown.findings > 0)
    }

    /// There are databases, and none in the states that the page shows.
    pub(super) fn none_in_these_states(&self) -> bool {
        self.databases.is_empty() && self.options.not_shown.databases > 0
    }

    /// Positions of at most `most` databases: those with findings first, where not all have room.
    pub(super) fn choose(&self, most: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.databases.len()).collect();
        if places.len() > most {
            places.sort_by_key(|at| self.findings_of[*at].is_empty());
            places.truncate(most);
            places.sort_unstable();
        }
        places
    }
}

pub(super) struct Database {
    pub source: String,
    pub database: String,
    /// Oldest first.
    pub points: Vec<Point>,
    /// Points were not opened, and each day has one that was, or some.
    pub folds_days: bool,
    /// Of its newest restore point that is trusted.
    pub newest: Option<NewestPoint>,
    /// What the point that was drilled last holds beside the one that was drilled before it, by its id.
    pub since_drill: Option<(Id, Summary)>,
}

pub(super) struct Point {
    pub id: Id,
    /// When the store received its manifest.
    pub stored_at: Timestamp,
    pub reading: Reading,
}

pub(super) enum Reading {
    Trusted(Box<TrustedPoint>),
    /// No trusted key signed it, or it cannot be read.
    Refused,
    /// Nothing of it was checked.
    NotOpened,
}

impl Point {
    pub(super) fn trusted(&self) -> Option<&TrustedPoint> {
        match &self.reading {
            Reading::Trusted(trusted) => Some(trusted),
            Reading::Refused | Reading::NotOpened => None,
        }
    }
}

/// What a signed manifest says, and its lock as the store reports it.
pub(super) struct TrustedPoint {
    pub snapshot_at: Timestamp,
    pub export_seconds: f64,
    pub tables: u64,
    pub rows: u64,
    pub copy_bytes: u64,
    pub stored_bytes: u64,
    /// Of these, what its own export stored, where others are named again.
    pub stored_anew: Option<u64>,
    pub lock: Option<Lock>,
    pub signed_by: Fingerprint,
    /// Newest first.
    pub drills: Vec<Drill>,
}

pub(super) struct Drill {
    pub at: Timestamp,
    pub verdict: Verdict,
    pub seconds_to_restore: f64,
    pub seconds_to_first_query: Option<f64>,
    pub rows: u64,
    /// What was restored, where it was not all.
    pub sample: Option<String>,
    /// How many assertions held, of how many.
    pub held: usize,
    pub asked: usize,
    /// Of the newest drills only; with values where an identity opens them.
    pub assertions: Vec<Assertion>,
    pub as_superuser: Option<bool>,
    pub walls: Option<Walls>,
    pub not_tried: Vec<NotTriedCount>,
}

/// What is shown of the newest point alone.
pub(super) struct NewestPoint {
    pub id: Id,
    pub server_version: String,
    pub tool: String,
    pub large_objects: bool,
    pub not_covered: Vec<NotCovered>,
    pub excluded: Vec<NotCovered>,
    /// Who opens it, or why that is not known.
    pub keys: Result<KeyRing>,
}

impl TrustedPoint {
    /// The newest drill that was sound or failed; if there is none, the newest unproven one.
    pub(super) fn proof(&self) -> Option<&Drill> {
        let mut drills = self.drills.iter();
        let proved = drills.find(|one| one.verdict != Verdict::Unproven);
        proved.or(self.drills.first())
    }

    /// What that drill found; unproven also where there was none.
    pub(super) fn verdict(&self) -> Verdict {
        self.proof()
            .map_or(Verdict::Unproven, |drill| drill.verdict)
    }
}

impl Database {
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.source, self.database)
    }

    /// Trusted points, oldest first.
    pub(super) fn trusted_points(&self) -> impl DoubleEndedIterator<Item = &TrustedPoint> {
        let points = self.points.iter();
        points.filter_map(Point::trusted)
    }

    /// How many of its points were not opened.
    pub(super) fn not_opened(&self) -> usize {
        let points = self.points.iter();
        points
            .filter(|point| matches!(point.reading, Reading::NotOpened))
            .count()
    }

    pub(super) fn newest_trusted(&self) -> Option<&TrustedPoint> {
        self.trusted_points().next_back()
    }

    /// All drills, each with the id of its point.
    pub(super) fn drills(&self) -> impl Iterator<Item = (&Id, &Drill)> {
        let trusted = self.points.iter();
        let trusted = trusted.filter_map(|point| Some((&point.id, point.trusted()?)));
        trusted.flat_map(|(id, trusted)| trusted.drills.iter().map(move |drill| (id, drill)))
    }

    /// The newest drill that found a point sound.
    pub(super) fn sound(&self) -> Option<&Drill> {
        let drills = self.drills().map(|(_, drill)| drill);
        let sound = drills.filter(|drill| drill.verdict == Verdict::Sound);
        sound.max_by_key(|drill| drill.at)
    }
}

/// A finding begins with the name of its database, or, as `promote` tells it, with the id of a restore point.
pub(super) fn findings_by_database(findings: &[String], databases: &[Database]) -> Vec<Vec<usize>> {
    let (mut names, mut ids) = (BTreeMap::new(), BTreeMap::new());
    for (at, one) in databases.iter().enumerate() {
        names.insert(one.name(), at);
        ids.extend(one.points.iter().map(|point| (point.id.to_string(), at)));
    }
    let mut findings_of = vec![Vec::new(); databases.len()];
    for (number, finding) in findings.iter().enumerate() {
        let first = finding.split([' ', ':']).next().unwrap_or_default();
        let name = finding.split_once(": ").map_or("", |(name, _)| name);
        if let Some(at) = ids.get(first).or_else(|| names.get(name)) {
            findings_of[*at].push(number);
        }
    }
    findings_of
}
