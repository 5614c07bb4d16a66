//! `lifeboat report`: one page for people about all that a repository holds. What every manifest and
//! every attestation says is read again; nothing comes from a log.

mod axis;
mod chart;
mod databases;
mod drills;
mod gather;
mod head;
mod html;
mod overview;
mod page;
mod points;
mod sections;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::codec::Identities;
use crate::error::Result;
use crate::model::snapshot::CopyStatus;
use crate::repository::{Leftover, Repository};
use crate::sign::{Fingerprint, Trust};

use gather::Gathered;

/// What the page tells beside what it reads itself.
pub struct Options {
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// When all this was found; ages count from it.
    pub now: Timestamp,
    pub limits: Limits,
    /// Databases that have a place on the page, with restore points or without: source and name.
    pub databases: Vec<(String, String)>,
    /// What `status` found.
    pub findings: Vec<String>,
    pub copies: Vec<CopyStatus>,
    pub leftovers: Vec<Leftover>,
    /// Of those who may read what assertions gave; none: the page shows only whether they held.
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

/// The page, and what it holds.
pub struct Page {
    pub html: String,
    pub databases: u64,
    pub points: u64,
    pub drills: u64,
    /// All that the page names.
    pub findings: Vec<String>,
}

/// All that the page is made of.
struct Facts<'a> {
    repository: &'a str,
    trust: &'a [Fingerprint],
    options: Options,
    gathered: Gathered,
    /// Those of `status`, then what only a reading of everything shows.
    findings: Vec<String>,
    /// Which of them are about each database.
    findings_of: Vec<Vec<usize>>,
}

impl Facts<'_> {
    /// At most so many databases, by their places: where not all have room, those with findings go
    /// first.
    fn choose(&self, most: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.gathered.databases.len()).collect();
        if places.len() > most {
            places.sort_by_key(|at| self.findings_of[*at].is_empty());
            places.truncate(most);
            places.sort_unstable();
        }
        places
    }
}

/// Reads all restore points and their drills, and makes the page.
pub async fn report(repository: &Repository, trust: &Trust, mut options: Options) -> Result<Page> {
    let mut gathered = gather::gather(repository, trust, &options).await?;
    let mut findings = std::mem::take(&mut options.findings);
    for finding in std::mem::take(&mut gathered.findings) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    let findings_of = by_database(&findings, &gathered);
    let facts = Facts {
        repository: repository.url(),
        trust: &trust.fingerprints,
        options,
        gathered,
        findings,
        findings_of,
    };
    let html = page::page(&facts);
    let databases = &facts.gathered.databases;
    Ok(Page {
        html,
        databases: databases.len() as u64,
        points: databases.iter().map(|one| one.points.len() as u64).sum(),
        drills: databases
            .iter()
            .map(|one| one.drills().count() as u64)
            .sum(),
        findings: facts.findings,
    })
}

/// A finding begins with the name of its database, or with the id of a restore point.
fn by_database(findings: &[String], gathered: &Gathered) -> Vec<Vec<usize>> {
    let databases = gathered.databases.iter().enumerate();
    let names: BTreeMap<String, usize> = databases.map(|(at, one)| (one.name(), at)).collect();
    let ids: BTreeMap<String, usize> = gathered
        .databases
        .iter()
        .enumerate()
        .flat_map(|(at, one)| {
            one.points
                .iter()
                .map(move |point| (point.id.to_string(), at))
        })
        .collect();
    let mut of = vec![Vec::new(); gathered.databases.len()];
    for (number, finding) in findings.iter().enumerate() {
        let first = finding.split([' ', ':']).next().unwrap_or_default();
        let name = finding.split_once(": ").map_or("", |(name, _)| name);
        if let Some(at) = ids.get(first).or_else(|| names.get(name)) {
            of[*at].push(number);
        }
    }
    of
}
