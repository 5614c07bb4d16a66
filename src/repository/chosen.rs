//! Which restore points a choice of databases means.

use std::collections::{BTreeMap, BTreeSet};

use super::Repository;
use super::read::{ListedPoint, PointSelector, RestorePoint, check_one_place};
use crate::error::{Error, Result};
use crate::model::choice::Choice;
use crate::sign::Trust;

/// A point of a database.
pub(crate) struct Selected {
    pub source: String,
    pub database: String,
    /// `Latest`, where none can be trusted: opening it will say why.
    pub which: PointSelector,
}

/// Pairs of source and database.
pub(crate) fn places(found: &[ListedPoint]) -> BTreeSet<(String, String)> {
    let places = found.iter();
    places
        .map(|one| (one.source.clone(), one.database.clone()))
        .collect()
}

impl Repository {
    /// All points of the chosen databases, sorted by source, database and id. A name that stands for none is
    /// an error.
    pub(crate) async fn find_chosen(&self, choice: &Choice) -> Result<Vec<ListedPoint>> {
        let mut found = self.find(choice.only_source(), None).await?;
        if choice.check(&places(&found), self.url()).is_err() {
            // The error names what there is beside a source that was mistyped.
            found = self.find(None, None).await?;
            choice.check(&places(&found), self.url())?;
        }
        found.retain(|one| choice.has(&one.source, &one.database));
        Ok(found)
    }

    /// The points among which those lie that are meant: an id is one point of one database.
    pub(crate) async fn find_meant(
        &self,
        which: &PointSelector,
        choice: &Choice,
        trust: &Trust,
    ) -> Result<Vec<ListedPoint>> {
        let mut found = self.find_chosen(choice).await?;
        match which {
            PointSelector::Id(id) => {
                found.retain(|one| one.id == *id);
                if found.is_empty() {
                    let what = format!("no restore point {id} of these in {}", self.url());
                    return Err(Error::not_found(what).hint("`lifeboat list` shows what is there"));
                }
                check_one_place(&found)?;
            }
            // A database that a stranger adds does not change what a plain name means.
            PointSelector::Latest if choice.is_plain() => {
                let trusted = self.without_untrusted_places(found.clone(), trust).await?;
                if !trusted.is_empty() {
                    found = trusted;
                }
            }
            PointSelector::Latest => {}
        }
        Ok(found)
    }

    /// The newest point of each database that can be trusted: a forged one must not keep the others from
    /// being proven. `status` reports those passed over.
    pub(crate) async fn newest_of_each(
        &self,
        found: Vec<ListedPoint>,
        trust: &Trust,
    ) -> Result<Vec<Selected>> {
        let mut by_database: BTreeMap<(String, String), Vec<ListedPoint>> = BTreeMap::new();
        for one in found {
            let name = (one.source.clone(), one.database.clone());
            by_database.entry(name).or_default().push(one);
        }
        let mut newest = Vec::with_capacity(by_database.len());
        for ((source, database), found) in by_database {
            let trusted = self.newest_trusted(found, trust, usize::MAX);
            let which = match trusted.await? {
                Some(point) => PointSelector::Id(point.manifest.id.clone()),
                None => PointSelector::Latest,
            };
            newest.push(Selected {
                source,
                database,
                which,
            });
        }
        Ok(newest)
    }

    pub(crate) async fn open_selected(
        &self,
        selected: &Selected,
        trust: &Trust,
    ) -> Result<RestorePoint> {
        let (source, database) = (Some(&*selected.source), Some(&*selected.database));
        let found = self.choose(&selected.which, source, database).await?;
        self.open(&found, trust).await
    }
}
