//! A new verification key, announced by an old one: a reader that pins the old key believes manifests
//! signed by the new one. An exporter's rights do not suffice to write here.

use std::collections::{BTreeSet, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::announcement::{Announcement, AnnouncementChain};
use super::envelope::{self, Envelope};
use super::handle::{Repository, oldest_first};
use super::layout;
use super::locks::Locks;
use crate::error::{Error, Kind, Result};
use crate::model::manifest::{FORMAT, ObjectRef};
use crate::progress::Progress;
use crate::sign::{Fingerprint, PublicKey, Signer, Trust};

/// The most keys between the one that signed and a pinned one.
const MAX_STEPS: usize = 16;
/// The most announcements that are read to find the chain.
const MAX_READ: usize = 64;

impl Repository {
    /// Stores the announcement of a key, signed by another one.
    pub async fn announce_key(
        &self,
        key: &PublicKey,
        by: &Signer,
        locks: &Locks,
        now: Timestamp,
    ) -> Result<(Announcement, ObjectRef)> {
        let announcement = Announcement {
            format: FORMAT,
            repository: self.marker().await?.repository,
            key: key.fingerprint(),
            public_key: BASE64.encode(key.der()),
            announced_at: now,
            by: by.fingerprint(),
        };
        let place = layout::announcement(announcement.key)?;
        let envelope = envelope::wrap(&place, &announcement, by).await?;
        let object = self.put_confirmed(place, envelope, locks, false).await?;
        Ok((announcement, object))
    }

    /// The way by which `trust` reaches a key that it does not pin; `None`: nobody announced it.
    pub async fn announcement_chain(
        &self,
        key: Fingerprint,
        trust: &Trust,
    ) -> Result<Option<AnnouncementChain>> {
        let mut known = self.announced.lock().await;
        let question = (key, trust.fingerprints.clone());
        if let Some(found) = known.get(&question) {
            return Ok(found.clone());
        }
        let found = self.find_chain(key, trust).await?;
        known.insert(question, found.clone());
        Ok(found)
    }

    /// What was believed so far because it was announced.
    pub async fn accepted_announcements(&self) -> Vec<AnnouncementChain> {
        let announced = self.announced.lock().await;
        announced.values().flatten().cloned().collect()
    }

    /// Tells the keys that were believed so far because a pinned one announced them.
    pub(crate) async fn note_announced(&self, progress: &dyn Progress) {
        for one in self
            .accepted_announcements()
            .await
            .iter()
            .flat_map(|chain| chain.iter().rev())
        {
            progress.note(&format!(
                "the verification key {} is not trusted itself, but {} announced it at {}: put it onto the sheet and into trust",
                one.key, one.by, one.announced_at
            ));
        }
    }

    /// Goes from announcement to announcement, the shortest way first; each key is looked up once.
    async fn find_chain(
        &self,
        key: Fingerprint,
        trust: &Trust,
    ) -> Result<Option<AnnouncementChain>> {
        let mut seen = BTreeSet::from([key]);
        let mut left = MAX_READ;
        let mut ways: VecDeque<(Fingerprint, AnnouncementChain)> =
            VecDeque::from([(key, AnnouncementChain::new())]);
        while let Some((key, way)) = ways.pop_front() {
            for next in self.announcements_of(key, &mut left).await? {
                let by = next.by;
                let way: AnnouncementChain = way.iter().cloned().chain([next]).collect();
                if trust.pins(by) {
                    return Ok(Some(way));
                }
                if way.len() < MAX_STEPS && seen.insert(by) {
                    ways.push_back((by, way));
                }
            }
        }
        Ok(None)
    }

    /// Sound announcements of a key, oldest first, by any signer.
    async fn announcements_of(
        &self,
        key: Fingerprint,
        left: &mut usize,
    ) -> Result<Vec<Announcement>> {
        let place = layout::announcement(key)?;
        let home = self.sound_marker().await?.map(|marker| &marker.repository);
        let mut found = Vec::new();
        for listed in oldest_first(self.versions_of(place.as_str()).await?) {
            if *left == 0 || listed.bytes > layout::MAX_ANNOUNCEMENT_BYTES {
                continue;
            }
            *left -= 1;
            let body = self.store.get(&place, &listed.version, listed.bytes);
            let body = match body.await {
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Damaged) => continue,
                body => body?,
            };
            let Ok(one) = read(&body, place.as_str()) else {
                continue;
            };
            let at_home = home.is_none_or(|home| *home == one.body.repository);
            if at_home && one.body.is_of(key, one.signed_by) {
                found.push(one.body);
            }
        }
        Ok(found)
    }
}

/// Checks the signature by the key that it names, which is worth nothing until that key is trusted.
fn read(bytes: &[u8], place: &str) -> Result<envelope::VerifiedEnvelope<Announcement>> {
    let envelope: Envelope = envelope::parse(bytes, place)?;
    let claimed_signer = Trust {
        fingerprints: vec![envelope.signature.claimed_key()?],
    };
    envelope.open(place, &claimed_signer)
}

/// A chain of another repository than the manifest's.
pub(super) fn check_repository(
    key: &str,
    chain: &AnnouncementChain,
    repository: &str,
) -> Option<Error> {
    let other = chain.iter().find(|one| one.repository != repository)?;
    Some(Error::untrusted(format!(
        "{key} cannot be trusted: its key was announced for repository {}, and it belongs to {repository}",
        other.repository
    )))
}
