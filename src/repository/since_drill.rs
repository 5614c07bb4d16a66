//! What changed in a database since a drill: the point that was drilled, and its tables beside another one's.

use jiff::Timestamp;

use super::attest::{Attestations, if_allowed};
use super::handle::Repository;
use super::read::RestorePoint;
use crate::codec::Identities;
use crate::error::{Kind, Result};
use crate::model::id::Id;
use crate::model::incomparable::Incomparable;
use crate::model::left_out;
use crate::model::table_change::{Summary, of_point};
use crate::sign::Trust;

/// How many points are searched.
const AMONG: usize = 64;

impl Attestations {
    /// The point of a database that a trusted drill found sound last, and when; those that `is_left_out` names
    /// are passed over.
    pub(crate) async fn last_sound(
        &self,
        repository: &Repository,
        (source, database): (&str, &str),
        trust: &Trust,
        is_left_out: impl Fn(&Id) -> bool,
    ) -> Result<Option<(RestorePoint, Timestamp)>> {
        let mut last: Option<(RestorePoint, Timestamp)> = None;
        let places = self.newest_first(source, database);
        for place in places.filter(|place| !is_left_out(&place.id)).take(AMONG) {
            let Some(point) = repository.open_attested(place, trust).await? else {
                continue;
            };
            let proof = if_allowed(self.proof(&point, trust).await)?;
            // An old point may have been drilled after a newer one.
            let is_later = |at: &Timestamp| last.as_ref().is_none_or(|(_, last)| last < at);
            if let Some(at) = proof.drilled_at().filter(is_later)
                && proof.holds()
            {
                last = Some((point, at));
            }
        }
        Ok(last)
    }
}

impl RestorePoint {
    /// What became of the tables of an earlier point, by names and digests where identities open both.
    pub(crate) async fn since(&self, before: &Self, identities: &Identities) -> Result<Summary> {
        let mut catalogs = Vec::new();
        for point in [before, self] {
            if identities.is_empty() {
                break;
            }
            match point.catalog(identities).await {
                Err(error) if error.kind() == Kind::Denied => break,
                catalog => catalogs.push(catalog?),
            }
        }
        let catalogs = match catalogs.as_slice() {
            [before, after] => [Some(before), Some(after)],
            _ => [None, None],
        };
        let (one, other) = (&before.manifest, &self.manifest);
        let one_server =
            one.system_identifier.is_some() && one.system_identifier == other.system_identifier;
        let mut tables = [of_point(one, catalogs[0]), of_point(other, catalogs[1])];
        let mut lacking = Incomparable::default();
        let mut not_compared = Vec::new();
        for (manifest, catalog) in [one, other].into_iter().zip(catalogs) {
            match catalog {
                Some(catalog) => lacking.add_left_out(catalog, manifest.id.as_str()),
                None => {
                    not_compared.extend(left_out::line(manifest.id.as_str(), &manifest.excluded))
                }
            }
        }
        not_compared.extend(lacking.lines());
        tables
            .iter_mut()
            .for_each(|one| lacking.take_from(one, one_server));
        // Without names nothing tells which tables are missing as one of both leaves them out.
        let is_clear = catalogs[0].is_some() || one.excluded == other.excluded;
        let [then, now] = &tables;
        Ok(Summary::new(
            then,
            now,
            one_server && is_clear,
            not_compared,
        ))
    }
}
