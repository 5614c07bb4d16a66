//! The export that a database of the copy is compared with.

use jiff::{SignedDuration, Timestamp};

use super::job::SpareDrill;
use crate::error::{Kind, Result};
use crate::model::catalog::Catalog;
use crate::model::id::Id;
use crate::repository::{Repository, RestorePoint};
use crate::sign::Trust;
use crate::snapshot::restore::RecordReader;

pub(super) struct Export {
    pub id: Id,
    /// The moment that it shows.
    pub snapshot_at: Timestamp,
    pub catalog: Catalog,
}

pub(super) enum Nearest {
    Found(Box<Export>),
    /// There is none, or none that can be opened: why.
    None(String),
}

impl SpareDrill<'_> {
    /// The export of a database that shows the moment nearest to the copy's.
    pub(super) async fn nearest_export(&self, database: &str) -> Result<Nearest> {
        let copy = &self.found.point;
        let RecordReader { repository, trust } = match &self.records {
            Ok(records) => *records,
            Err(error) => return Ok(Nearest::None(error.chain())),
        };
        let of = (copy.source.as_str(), database);
        let Some(point) = nearest(repository, of, trust, copy.taken_at).await? else {
            let why = format!(
                "{} holds no trusted export of {}/{database}",
                repository.url(),
                copy.source
            );
            return Ok(Nearest::None(why));
        };
        let (id, snapshot_at) = (point.manifest.id.clone(), point.manifest.snapshot_at);
        let identities = &self.options.identities;
        if identities.is_empty() {
            let why = format!("no identity to open export {id} is at hand: --identity gives one");
            return Ok(Nearest::None(why));
        }
        match point.catalog(identities).await {
            Err(error) if error.kind() == Kind::Denied => Ok(Nearest::None(error.chain())),
            catalog => Ok(Nearest::Found(Box::new(Export {
                id,
                snapshot_at,
                catalog: catalog?,
            }))),
        }
    }
}

/// Of the points that a trusted key signed, the one that shows the moment nearest to `at`. Ids begin with
/// the time when an export began, just before that moment: the nearest two are opened, not all.
async fn nearest(
    repository: &Repository,
    (source, database): (&str, &str),
    trust: &Trust,
    at: Timestamp,
) -> Result<Option<RestorePoint>> {
    let mut listed = repository.find(Some(source), Some(database)).await?;
    listed.sort_by_cached_key(|one| apart(one.id.time().unwrap_or(Timestamp::MIN), at));
    let mut opened = Vec::new();
    for one in &listed {
        match repository.open(one, trust).await {
            Ok(point) => opened.push(point),
            Err(error) if error.affects_every_point() => return Err(error),
            // `status` reports it.
            Err(_) => {}
        }
        if opened.len() == 2 {
            break;
        }
    }
    let shown = |point: &RestorePoint| point.manifest.snapshot_at;
    Ok(opened
        .into_iter()
        .min_by_key(|point| apart(shown(point), at)))
}

fn apart(one: Timestamp, other: Timestamp) -> SignedDuration {
    one.duration_since(other).abs()
}
