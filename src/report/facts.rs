//! Everything that the page shows.

use std::collections::BTreeMap;

use super::gather::{Database, Gathered};
use super::options::Options;
use crate::sign::Fingerprint;

/// Everything that the page is made from.
pub(super) struct Facts<'a> {
    pub repository: &'a str,
    pub trust: &'a [Fingerprint],
    pub options: Options,
    pub gathered: Gathered,
    /// Those of `status`, then what only a reading of everything shows.
    pub findings: Vec<String>,
    /// For each database, the positions of its findings.
    pub findings_of: Vec<Vec<usize>>,
}

impl Facts<'_> {
    /// Positions of at most `most` databases: those with findings first, where not all have room.
    pub(super) fn choose(&self, most: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.gathered.databases.len()).collect();
        if places.len() > most {
            places.sort_by_key(|at| self.findings_of[*at].is_empty());
            places.truncate(most);
            places.sort_unstable();
        }
        places
    }
}

/// A finding begins with the name of its database, or with the id of a restore point.
pub(super) fn by_database(findings: &[String], databases: &[Database]) -> Vec<Vec<usize>> {
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
