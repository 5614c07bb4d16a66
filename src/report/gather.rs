//! Reads a repository into plain facts: one small record for each restore point and each drill.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::database::Reader;
use super::facts::{Database, Facts, Options, findings_by_database};
use crate::error::{Kind, Result};
use crate::repository::{
    Announcement, Attestations, Fold, MANIFESTS_AT_A_TIME, Repository, Room, by_database,
};
use crate::sign::Trust;

pub(super) async fn gather<'a>(
    repository: &'a Repository,
    trust: &'a Trust,
    mut options: Options,
) -> Result<Facts<'a>> {
    let (source, database) = (options.source.as_deref(), options.database.as_deref());
    let found = repository.find(source, database).await?;
    let (drills, drills_denied) = match repository.attestations(source, database).await {
        Err(error) if error.kind() == Kind::Denied => (Attestations::default(), true),
        drills => (drills?, false),
    };
    let mut of = by_database(found);
    for name in &options.databases {
        of.entry(name.clone()).or_default();
    }
    if !options.states.is_empty() {
        let chosen: BTreeSet<_> = options.databases.iter().collect();
        of.retain(|name, _| chosen.contains(name));
    }
    let mut findings = std::mem::take(&mut options.findings);
    let reader = Reader {
        repository,
        trust,
        drills: &drills,
        identities: &options.identities,
        contested: options.contested.as_deref(),
        fold: match options.all {
            true => Fold::never(),
            false => Fold::of(of.values().map(Vec::len)),
        },
        room: &Room::default(),
    };
    let reads = of
        .iter()
        .map(async |((source, database), found)| reader.database(source, database, found).await);
    let read: Vec<_> = stream::iter(reads)
        .buffered(MANIFESTS_AT_A_TIME)
        .try_collect()
        .await?;
    let databases = worst_first(read, &options.databases, &mut findings);
    // Some of them `status` has found, too.
    let mut known = BTreeSet::new();
    findings.retain(|finding| known.insert(finding.clone()));
    Ok(Facts {
        repository: repository.url(),
        trust: &trust.fingerprints,
        findings_of: findings_by_database(&findings, &databases),
        options,
        databases,
        announced: announced(repository).await,
        drills_denied,
        findings,
    })
}

/// In the order in which the caller named them, those with most findings before others that it did not name.
fn worst_first(
    mut read: Vec<(Database, Vec<String>)>,
    named: &[(String, String)],
    findings: &mut Vec<String>,
) -> Vec<Database> {
    let places = named.iter().enumerate().map(|(at, name)| (name, at));
    let places: BTreeMap<&(String, String), usize> = places.collect();
    read.sort_by_key(|(one, findings)| {
        let name = (one.source.clone(), one.database.clone());
        let place = places.get(&name).copied();
        (place.unwrap_or(usize::MAX), Reverse(findings.len()))
    });
    let mut databases = Vec::with_capacity(read.len());
    for (one, found) in read {
        findings.extend(found);
        databases.push(one);
    }
    databases
}

async fn announced(repository: &Repository) -> Vec<Announcement> {
    let accepted = repository.accepted_announcements().await;
    let mut announced: Vec<Announcement> = accepted.into_iter().flatten().collect();
    announced.sort_by_key(|one| (one.announced_at, one.key));
    announced.dedup();
    announced
}
