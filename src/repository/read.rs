//! Finding restore points and reading them. A reader follows the signed manifest: it never takes
//! an object because a listing shows it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;

use bytes::Bytes;
use jiff::Timestamp;

use super::envelope::{Envelope, Statement, VerifiedEnvelope, parse};
use super::handle::{Repository, oldest_first, oldest_sound};
use super::layout::{self, PointPath};
use super::part_list::PartListReader;
use super::{announcements, consistency};
use crate::codec::{self, Identities, Plain};
use crate::compute;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::catalog::Catalog;
use crate::model::digest::Sha256;
use crate::model::id::{Id, Key};
use crate::model::keys::KeyRing;
use crate::model::lock::Lock;
use crate::model::manifest::{Manifest, ObjectRef, TableParts, names};
use crate::sign::{Fingerprint, Trust};
use crate::store::{Head, ListedObject};

/// Which restore point is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointSelector {
    /// The newest by the store's time.
    Latest,
    Id(Id),
}

impl std::str::FromStr for PointSelector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        text.parse().map(Self::Id)
    }
}

impl fmt::Display for PointSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// A manifest that a listing shows; nothing is known of its soundness yet.
#[derive(Debug, Clone)]
pub struct ListedPoint {
    pub source: String,
    pub database: String,
    pub id: Id,
    /// All versions of the manifest's key, oldest first. More than one: somebody wrote again under
    /// it, and the oldest that is sound counts.
    versions: Vec<ListedObject>,
}

impl ListedPoint {
    /// Sorts by the store's time: a clock that was wrong where exports are made does not count.
    pub fn order(&self) -> (Timestamp, Id) {
        (self.stored_at(), self.id.clone())
    }

    pub fn path(&self) -> PointPath {
        PointPath::new(&self.source, &self.database, &self.id)
    }

    /// When the store received its first version, which a wrong clock of an exporter does not change.
    pub fn stored_at(&self) -> Timestamp {
        self.versions[0].stored_at
    }

    pub fn versions(&self) -> usize {
        self.versions.len()
    }

    /// Size of its manifest, as listed; the largest, where there are several.
    pub fn manifest_bytes(&self) -> u64 {
        let bytes = self.versions.iter().map(|version| version.bytes);
        bytes.max().unwrap_or_default()
    }
}

/// How many points of one database are looked at before the search for a trusted one ends.
const MOST_PASSED_OVER: usize = 1000;

/// `latest` among several could be any.
fn check_one_place(found: &[ListedPoint]) -> Result<()> {
    let places: BTreeSet<String> = found
        .iter()
        .map(|one| format!("--source {} --database {}", one.source, one.database))
        .collect();
    if places.len() < 2 {
        return Ok(());
    }
    let named: Vec<String> = places.into_iter().collect();
    Err(Error::usage(format!(
        "{} restore points could be meant: {}",
        named.len(),
        named.join(", ")
    ))
    .hint("name one by --source and --database"))
}

impl Repository {
    /// Every restore point of a source, of one of its databases, or of all; sorted by source,
    /// database and id. Hidden ones included.
    pub async fn find(
        &self,
        source: Option<&str>,
        database: Option<&str>,
    ) -> Result<Vec<ListedPoint>> {
        let mut listing = self.listing(layout::below(layout::MANIFESTS, source, database));
        let mut found: Vec<ListedPoint> = Vec::new();
        while let Some(listed) = listing.next().await? {
            let Some(place) = PointPath::from_manifest_key(&listed.key) else {
                continue;
            };
            match found.last_mut() {
                Some(last) if last.versions[0].key == listed.key => last.versions.push(listed),
                _ => found.push(ListedPoint {
                    source: place.source,
                    database: place.database,
                    id: place.id,
                    versions: vec![listed],
                }),
            }
        }
        for one in &mut found {
            one.versions = oldest_first(std::mem::take(&mut one.versions));
        }
        found.retain(|one| database.is_none_or(|database| one.database == database));
        Ok(found)
    }

    /// The one restore point that is meant. `latest` among several sources or databases is a usage
    /// error that names them.
    pub async fn choose(
        &self,
        which: &PointSelector,
        source: Option<&str>,
        database: Option<&str>,
    ) -> Result<ListedPoint> {
        let mut found = self.find(source, database).await?;
        if let PointSelector::Id(id) = which {
            found.retain(|one| one.id == *id);
        }
        check_one_place(&found)?;
        // By the store's time where it has one: a wrong clock on an exporter decides nothing.
        found.sort_by_key(ListedPoint::order);
        found.pop().ok_or_else(|| {
            let what = match which {
                PointSelector::Latest => "no restore point".to_owned(),
                PointSelector::Id(id) => format!("no restore point {id}"),
            };
            let place = match (source, database) {
                (Some(source), Some(database)) => format!(" of {source}/{database}"),
                (Some(source), None) => format!(" of {source}"),
                (None, Some(database)) => format!(" of database {database}"),
                (None, None) => String::new(),
            };
            Error::not_found(format!("{what}{place} in {}", self.url()))
                .hint("`lifeboat list` shows what is there")
        })
    }

    /// Opens the one restore point that is meant. `latest` is the newest that a trusted key signed: anybody who may
    /// write can store what looks newer. What was passed over is returned, a line each.
    pub async fn open_chosen(
        &self,
        which: &PointSelector,
        (source, database): (Option<&str>, Option<&str>),
        trust: &Trust,
    ) -> Result<(RestorePoint, Vec<String>)> {
        if *which == PointSelector::Latest && !trust.fingerprints.is_empty() {
            let found = self.find(source, database).await?;
            let mut found = self.without_untrusted_places(found, trust).await?;
            check_one_place(&found)?;
            found.sort_by_key(|one| Reverse(one.order()));
            let mut passed_over = Vec::new();
            for one in found.iter().take(MOST_PASSED_OVER) {
                match self.open(one, trust).await {
                    Ok(point) => return Ok((point, passed_over)),
                    Err(error) if error.affects_every_point() => return Err(error),
                    Err(error) => passed_over.push(format!("{}: {}", one.id, error.chain())),
                }
            }
        }
        // There is none, or none that can be opened: why.
        let found = self.choose(which, source, database).await?;
        Ok((self.open(&found, trust).await?, Vec::new()))
    }

    /// Where several sources or databases have points, those that have a trusted one.
    async fn without_untrusted_places(
        &self,
        found: Vec<ListedPoint>,
        trust: &Trust,
    ) -> Result<Vec<ListedPoint>> {
        let mut by_place: BTreeMap<(String, String), Vec<ListedPoint>> = BTreeMap::new();
        for one in found {
            let place = (one.source.clone(), one.database.clone());
            by_place.entry(place).or_default().push(one);
        }
        if by_place.len() < 2 {
            return Ok(by_place.into_values().flatten().collect());
        }
        let mut trusted = Vec::new();
        for points in by_place.into_values() {
            let newest = self.newest_trusted(points.clone(), trust, MOST_PASSED_OVER);
            if newest.await?.is_some() {
                trusted.extend(points);
            }
        }
        Ok(trusted)
    }

    /// Reads a manifest and checks its signature against the pinned keys and its place.
    pub async fn open(&self, found: &ListedPoint, trust: &Trust) -> Result<RestorePoint> {
        let opened = oldest_sound(&found.versions, async |version| {
            let body = self.stored_body::<Manifest>(version).await?;
            self.open_version(version, &body, trust).await
        });
        opened.await?.ok_or_else(without_versions)
    }

    /// As [`Repository::open`], with the manifest's lock as the store reports it.
    pub async fn open_with_lock(
        &self,
        found: &ListedPoint,
        trust: &Trust,
    ) -> Result<(RestorePoint, Option<Lock>)> {
        let opened = oldest_sound(&found.versions, async |listed| {
            check_size::<Manifest>(listed)?;
            let ListedObject { key, version, .. } = listed;
            let read = self.store.get_with_lock(key, version, listed.bytes).await;
            let (body, lock) = match read {
                Ok((body, lock)) => (body, Ok(lock)),
                Err(error) if error.affects_every_point() => return Err(error),
                // Its lock may be what cannot be told, and that makes no other version count.
                Err(error) => (
                    self.store.get(key, version, listed.bytes).await?,
                    Err(error),
                ),
            };
            Ok((self.open_version(listed, &body, trust).await?, lock))
        });
        let (point, lock) = opened.await?.ok_or_else(without_versions)?;
        Ok((point, lock?))
    }

    /// The newest of these that a trusted key signed, with at most `tries` looked at. A forged one must
    /// not hide the others.
    pub async fn newest_trusted(
        &self,
        mut found: Vec<ListedPoint>,
        trust: &Trust,
        tries: usize,
    ) -> Result<Option<RestorePoint>> {
        found.sort_by_key(|one| Reverse(one.order()));
        for one in found.iter().take(tries) {
            match self.open(one, trust).await {
                Ok(point) => return Ok(Some(point)),
                Err(error) if error.affects_every_point() => return Err(error),
                // `status` reports it.
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Opens exactly this point.
    pub async fn open_at(&self, path: &PointPath, trust: &Trust) -> Result<RestorePoint> {
        let which = PointSelector::Id(path.id.clone());
        let found = self.choose(&which, Some(&path.source), Some(&path.database));
        self.open(&found.await?, trust).await
    }

    async fn open_version(
        &self,
        listed: &ListedObject,
        body: &Bytes,
        trust: &Trust,
    ) -> Result<RestorePoint> {
        let key = &listed.key;
        let manifest_ref = ObjectRef {
            key: key.clone(),
            version: listed.version.clone(),
            bytes: body.len() as u64,
            sha256: Sha256::of(body),
        };
        let opened: VerifiedEnvelope<Manifest> = self.open_envelope(body, key, trust).await?;
        let manifest = opened.body;
        consistency::check(&manifest).context(|| format!("{key} is no sound manifest"))?;
        self.check_repository_id(&manifest.repository, &manifest.id)
            .await?;
        let home = PointPath::of(&manifest).manifest()?;
        if home != *key {
            return Err(Error::untrusted(format!(
                "{key} holds the manifest of another restore point, {home}"
            ))
            .hint("somebody moved it; the original lies at the key it names"));
        }
        Ok(RestorePoint {
            repository: self.clone(),
            manifest_ref,
            manifest,
            body_sha256: opened.body_sha256,
            signed_by: opened.signed_by,
        })
    }

    /// Reads a listed envelope, and checks its size and its signature.
    pub(super) async fn open_signed<T: Statement>(
        &self,
        listed: &ListedObject,
        trust: &Trust,
    ) -> Result<VerifiedEnvelope<T>> {
        let body = self.stored_body::<T>(listed).await?;
        self.open_envelope(&body, &listed.key, trust).await
    }

    async fn stored_body<T: Statement>(&self, listed: &ListedObject) -> Result<Bytes> {
        check_size::<T>(listed)?;
        let ListedObject { key, version, .. } = listed;
        self.store.get(key, version, listed.bytes).await
    }

    /// A key that is not pinned counts where a pinned one announced it.
    async fn open_envelope<T: Statement>(
        &self,
        bytes: &[u8],
        key: &Key,
        trust: &Trust,
    ) -> Result<VerifiedEnvelope<T>> {
        let key = key.as_str();
        let envelope: Envelope = parse(bytes, key)?;
        let pinned = envelope.open(key, trust);
        let signer = match (&pinned, envelope.signature.claimed_key()) {
            (Err(error), Ok(signer)) if error.kind() == Kind::Untrusted => signer,
            _ => return pinned,
        };
        if trust.pins(signer) || trust.fingerprints.is_empty() {
            return pinned;
        }
        let chain = self.announcement_chain(signer, trust).await.map_err(|why| {
            Error::untrusted(format!("{key} is signed by {signer}, which is not trusted, and whether a trusted key announced it cannot be read"),
            )
            .because(why)
        })?;
        let Some(chain) = chain else { return pinned };
        let announced = Trust {
            fingerprints: vec![signer],
        };
        let opened: VerifiedEnvelope<T> = envelope.open(key, &announced)?;
        match announcements::check_repository(key, &chain, opened.body.repository()) {
            Some(error) => Err(error),
            None => Ok(opened),
        }
    }

    /// A point of another repository under the same key (staging's, say) is not this one's.
    pub(super) async fn check_repository_id(&self, repository: &str, id: &Id) -> Result<()> {
        match self.sound_marker().await? {
            Some(marker) if marker.repository != repository => Err(Error::untrusted(format!(
                "{id} belongs to repository {repository}, and this is {}, as lifeboat.json says",
                marker.repository
            ))
            .hint("somebody copied it here; restore it from its own repository")),
            _ => Ok(()),
        }
    }
}

fn check_size<T: Statement>(listed: &ListedObject) -> Result<()> {
    if listed.bytes > T::MAX_BYTES {
        let key = &listed.key;
        return Err(Error::damaged(format!(
            "{key} is too large for {}",
            T::NAME
        )));
    }
    Ok(())
}

fn without_versions() -> Error {
    Error::failed("a listing without versions")
}

/// A restore point whose manifest is signed by a pinned key. All reading goes by it.
#[derive(Clone)]
pub struct RestorePoint {
    repository: Repository,
    pub manifest: Manifest,
    pub manifest_ref: ObjectRef,
    pub body_sha256: Sha256,
    pub signed_by: Fingerprint,
}

impl RestorePoint {
    /// Fetches a stored object and checks size and SHA-256 before anything uses it.
    pub async fn fetch(&self, object: &ObjectRef) -> Result<Bytes> {
        let ObjectRef { key, version, .. } = object;
        let got = self.repository.store.get(key, version, object.bytes).await;
        let body = self.there(key, got)?;
        let found = (body.len() as u64, sha256_of(&body).await?);
        if found != (object.bytes, object.sha256) {
            return Err(Error::damaged(format!(
                "{key} is damaged: the manifest says {} bytes with SHA-256 {}, {} bytes were read, with SHA-256 {}",
                object.bytes, object.sha256, found.0, found.1
            ))
            .hint(self.advice_on_damage()));
        }
        Ok(body)
    }

    /// What the manifest names and the store has not is damage. A hint says what else is not there: the
    /// whole bucket, say.
    fn there<T>(&self, key: &Key, answer: Result<T>) -> Result<T> {
        match answer {
            Err(error) if error.kind() == Kind::NotFound && error.find_hint().is_none() => {
                let what =
                    format!("{key} is missing: the manifest names it, and the store has it not");
                Err(Error::damaged(what).hint(self.advice_on_damage()))
            }
            answer => answer,
        }
    }

    /// What to do where something of it is damaged or missing. Only what is locked can be held.
    pub fn advice_on_damage(&self) -> &'static str {
        match self.manifest.lock {
            Some(_) => {
                "restore another point, and `lifeboat hold` it now; keep this one for inquiry"
            }
            None => "restore another point; keep this one for inquiry",
        }
    }

    /// An object of [`names`], as stored.
    pub async fn object(&self, name: &str) -> Result<Bytes> {
        self.fetch(self.named(name)?).await
    }

    /// An object of [`names`], opened; compressed ones are decompressed.
    pub async fn open_object(&self, name: &str, identities: &Identities) -> Result<Plain> {
        let object = self.named(name)?;
        let stored = self.fetch(object).await?;
        let plain = if name.ends_with(".zst.age") {
            identities.open_compressed(stored)
        } else {
            identities.open(stored)
        };
        let opened = plain.context(|| format!("cannot open {}", object.key));
        opened.map_err(|why| match why.kind() {
            Kind::Denied => why.hint(format!(
                "give the identity of one of these recipients: {}; `age-keygen -y FILE` prints a file's",
                self.manifest.recipients.join(", ")
            )),
            _ => why,
        })
    }

    pub async fn catalog(&self, identities: &Identities) -> Result<Catalog> {
        self.check_requirements()?;
        let plain = self.open_object(names::CATALOG, identities).await?;
        let name = self.named(names::CATALOG)?.key.clone();
        let damaged = move || Error::damaged(format!("{name} does not read"));
        let catalog: Catalog = compute::on_own_thread(move || {
            let mut json = Vec::new();
            plain
                .take(layout::MAX_CATALOG_BYTES + 1)
                .read_to_end(&mut json)
                .map_err(|source| damaged().because(source))?;
            if json.len() as u64 > layout::MAX_CATALOG_BYTES {
                let why = format!("it opens to more than {} bytes", layout::MAX_CATALOG_BYTES);
                return Err(damaged().because(Error::damaged(why)));
            }
            serde_json::from_slice(&json).map_err(|source| damaged().because(source))
        })
        .await??;
        consistency::check_catalog(&self.manifest, &catalog)?;
        Ok(catalog)
    }

    /// Who opens the point, and which identities KMS keeps.
    pub async fn key_ring(&self) -> Result<KeyRing> {
        let object = self.named(names::KEYS)?;
        if object.bytes > layout::MAX_KEYS_BYTES {
            return Err(Error::damaged(format!("{} is too large", object.key)));
        }
        let body = self.fetch(object).await?;
        serde_json::from_slice(&body)
            .map_err(|why| Error::damaged(format!("{} does not read", object.key)).because(why))
    }

    /// The parts of a table, streamed from its checked list.
    pub async fn parts(&self, table: &TableParts) -> Result<PartListReader> {
        self.check_requirements()?;
        let Some(list) = &table.list else {
            return Ok(PartListReader::default());
        };
        let stored = self.fetch(list).await?;
        let lines = codec::decompress(stored).context(|| format!("{} does not read", list.key))?;
        Ok(PartListReader::new(
            table,
            list.key.clone(),
            Box::new(lines),
        ))
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub fn path(&self) -> PointPath {
        PointPath::of(&self.manifest)
    }

    /// What the store says of an object now.
    pub async fn head(&self, object: &ObjectRef) -> Result<Head> {
        let head = self.repository.store.head(&object.key, &object.version);
        self.there(&object.key, head.await)
    }

    /// Extends one object's lock and returns the lock now in force.
    pub async fn extend_lock(&self, object: &ObjectRef, lock: Lock) -> Result<Lock> {
        self.repository
            .store
            .extend_lock(&object.key, &object.version, lock)
            .await
    }

    fn named(&self, name: &str) -> Result<&ObjectRef> {
        self.manifest.object(name).ok_or_else(|| {
            Error::damaged(format!(
                "the manifest of {} names no {name}",
                self.manifest.id
            ))
        })
    }
}

/// Away from the async threads: one task reads many parts, and hashes them on all cores.
pub(super) async fn sha256_of(body: &Bytes) -> Result<Sha256> {
    let body = body.clone();
    compute::on_own_thread(move || Sha256::of(&body)).await
}
