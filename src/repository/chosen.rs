//! Which restore points a choice of databases means.

use std::collections::{BTreeMap, BTreeSet};

use super::handle::Repository;
use super::read::{ListedPoint, PointSelector, RestorePoint};
use crate::error::Result;
use crate::model::choice::Choice;
use crate::sign::Trust;

/// A point of a database.
#[derive(Clone)]
pub(crate) struct Selected {
    pub source: String,
    pub database: String,
    /// `Latest`, where none can be trusted: opening it will say why.
    pub which: PointSelector,
}

impl Repository {
    /// All points of each chosen database, the oldest first; those as well that cannot be trusted: opening them will say
    /// why. A name that stands for none is an error.
    pub(crate) async fn all_chosen(&self, choice: &Choice) -> Result<Vec<Selected>> {
        let found = self.find_chosen(choice).await?;
        let selected = found.into_iter().map(|one| Selected {
            source: one.source,
            database: one.database,
            which: PointSelector::Id(one.id),
        });
        Ok(selected.collect())
    }

    async fn find_chosen(&self, choice: &Choice) -> Result<Vec<ListedPoint>> {
        let mut found = self.find(None, None).await?;
        if !choice.is_all() {
            let places = found.iter();
            let places = places.map(|one| (one.source.clone(), one.database.clone()));
            choice.check(&places.collect(), self.url())?;
        }
        found.retain(|one| choice.has(&one.source, &one.database));
        Ok(found)
    }

    /// The newest point of each chosen database. A name that stands for none is an error.
    pub(crate) async fn newest_chosen(
        &self,
        choice: &Choice,
        trust: &Trust,
    ) -> Result<Vec<Selected>> {
        let found = self.find_chosen(choice).await?;
        self.newest_of_each(found, trust).await
    }

    /// The newest point of each of these databases, pairs of source and database; of one without points nothing.
    pub(crate) async fn newest_of(
        &self,
        databases: &BTreeSet<(String, String)>,
        trust: &Trust,
    ) -> Result<Vec<Selected>> {
        let mut found = self.find(None, None).await?;
        found.retain(|one| databases.contains(&(one.source.clone(), one.database.clone())));
        self.newest_of_each(found, trust).await
    }

    /// The newest point of each database that can be trusted: a forged one must not keep the others from
    /// being proven. `status` reports those passed over.
    async fn newest_of_each(
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
