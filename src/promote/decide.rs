//! What the rules say of every database: reads the points that may claim a period, and no others.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::claims::{self, Claimant, Decisions, Rules};
use crate::error::{Error, Result};
use crate::model::id::Id;
use crate::repository::{Attestations, Fold, ListedPoint, Repository, by_database, counts_as_none};
use crate::sign::Trust;

/// Manifests of one database that no trusted key signed: whoever may write can store many, and each is read.
const MOST_REFUSED: usize = 1000;

/// One database's points and what becomes of them.
pub(crate) struct Decided {
    pub source: String,
    pub database: String,
    pub decisions: Decisions,
    /// Those that were read.
    pub points: BTreeMap<Id, Point>,
    /// What a person must hear, a line each.
    pub findings: Vec<String>,
}

pub(crate) struct Point {
    pub found: ListedPoint,
    pub claimant: Claimant,
    pub snapshot_at: Timestamp,
    pub drilled_at: Option<Timestamp>,
}

/// Decides for the databases of `source` and `database`, or all; sorted by both. `only_crowded`: of a fleet's
/// databases with many points for those alone of which a period may be contested.
pub(crate) async fn decide(
    repository: &Repository,
    trust: &Trust,
    (source, database): (Option<&str>, Option<&str>),
    rules: &Rules,
    only_crowded: bool,
    now: Timestamp,
) -> Result<Vec<Decided>> {
    let found = repository.find(source, database).await?;
    let drills = repository.attestations(source, database).await?;
    let mut decided = Vec::new();
    let of = by_database(found);
    let fold = match only_crowded {
        true => Fold::of(of.values().map(Vec::len)),
        false => Fold::never(),
    };
    for ((source, database), listed) in of {
        let stored: Vec<Timestamp> = listed.iter().map(ListedPoint::stored_at).collect();
        if fold.is_newest_only(listed.len()) && !rules.may_contest(&stored) {
            continue;
        }
        let mut reader = Reader {
            repository,
            trust,
            drills: &drills,
            listed,
            points: BTreeMap::new(),
            refused: Vec::new(),
            findings: Vec::new(),
        };
        let decisions = reader.decide(rules, now).await?;
        decided.push(Decided {
            source,
            database,
            decisions,
            points: reader.points,
            findings: reader.findings,
        });
    }
    Ok(decided)
}

struct Reader<'a> {
    repository: &'a Repository,
    trust: &'a Trust,
    drills: &'a Attestations,
    listed: Vec<ListedPoint>,
    points: BTreeMap<Id, Point>,
    refused: Vec<Id>,
    findings: Vec<String>,
}

impl Reader<'_> {
    async fn decide(&mut self, rules: &Rules, now: Timestamp) -> Result<Decisions> {
        loop {
            let assumed = self.assumed();
            let claimants = claims::claimants(&assumed, rules, now);
            let unread: Vec<Id> = claimants
                .into_iter()
                .filter(|id| !self.points.contains_key(id))
                .collect();
            if unread.is_empty() {
                return Ok(claims::choose(&assumed, rules, now));
            }
            for id in unread {
                self.read(&id).await?;
            }
            if self.refused.len() > MOST_REFUSED {
                let listed = self.listed.len() - self.points.len() - self.refused.len();
                self.findings.push(format!(
                    "{} manifests that no trusted key signed were passed over, and {listed} points after them were not looked at: somebody fills the bucket",
                    self.refused.len()
                ));
                return Ok(claims::choose(&self.known(), rules, now));
            }
        }
    }

    /// Everything that was not refused; what was not read is taken for a point without a drill.
    fn assumed(&self) -> Vec<Claimant> {
        let listed = self
            .listed
            .iter()
            .filter(|one| !self.refused.contains(&one.id));
        let assumed = |one: &ListedPoint| match self.points.get(&one.id) {
            Some(point) => point.claimant.clone(),
            None => Claimant {
                id: one.id.clone(),
                stored_at: one.stored_at(),
                sound: None,
                locked_until: Timestamp::MAX,
                bytes: 0,
            },
        };
        listed.map(assumed).collect()
    }

    fn known(&self) -> Vec<Claimant> {
        self.points
            .values()
            .map(|point| point.claimant.clone())
            .collect()
    }

    async fn read(&mut self, id: &Id) -> Result<()> {
        let Some(found) = self.listed.iter().find(|one| one.id == *id).cloned() else {
            return Ok(());
        };
        match self.claimant(&found).await {
            Ok(point) => {
                self.points.insert(id.clone(), point);
            }
            Err(error) if error.affects_every_point() => return Err(error),
            Err(error) => {
                // What was drilled is nobody's junk.
                if self.drills.contains(&found.path()) {
                    self.findings
                        .push(format!("{id} cannot be restored from: {}", error.chain()));
                }
                self.refused.push(id.clone());
            }
        }
        Ok(())
    }

    async fn claimant(&mut self, found: &ListedPoint) -> Result<Point> {
        let point = self.repository.open(found, self.trust).await?;
        point.check_requirements()?;
        let proof = self.drills.proof(&point, self.trust).await?;
        let id = &found.id;
        let passed_over = proof.passed_over.iter();
        let findings = passed_over.map(|why| counts_as_none(id, why));
        self.findings.extend(findings);
        let Some(lock) = point.head(&point.manifest_ref).await?.lock else {
            return Err(Error::refused(
                "its manifest is not locked, and only locks are extended",
            ));
        };
        let was_drilled =
            proof.sound.is_some() || proof.failed_at.is_some() || proof.unproven_at.is_some();
        Ok(Point {
            claimant: Claimant {
                id: id.clone(),
                stored_at: found.stored_at(),
                sound: was_drilled.then(|| proof.holds()),
                locked_until: lock.retain_until,
                bytes: point.manifest.stored_bytes(),
            },
            found: found.clone(),
            snapshot_at: point.manifest.snapshot_at,
            drilled_at: proof.drilled_at(),
        })
    }
}
