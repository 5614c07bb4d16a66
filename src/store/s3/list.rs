//! ListObjectVersions in pages, delete markers and foreign objects left out.

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{EncodingType, ObjectVersion};

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use super::head::timestamp;
use crate::error::{Error, Result};
use crate::model::id::Key;
use crate::percent;
use crate::store::{Cursor, ListedObject, PAGE_OBJECTS, Page};

const LIST: Operation = Operation::new("ListObjectVersions", "list", "s3:ListBucketVersions");

/// A version of a key with the store's ETag, which is its MD5 where it was stored in one PUT and
/// not encrypted by a KMS key (S3 User Guide, "Checking object integrity").
pub(super) struct Tagged {
    pub listed: ListedObject,
    pub etag: Option<String>,
}

impl S3Store {
    pub(super) async fn list(&self, prefix: &str, from: Option<Cursor>) -> Result<Page> {
        let (tagged, next) = self.list_tagged(prefix, from).await?;
        let objects = tagged.into_iter().map(|one| one.listed).collect();
        Ok(Page { objects, next })
    }

    async fn list_tagged(
        &self,
        prefix: &str,
        from: Option<Cursor>,
    ) -> Result<(Vec<Tagged>, Option<Cursor>)> {
        let mut marker = from.map(|from| Cursor {
            key: format!("{}{}", self.prefix, from.key),
            ..from
        });
        loop {
            let output = self.list_object_versions(prefix, marker.as_ref()).await?;
            let next = self.next_marker(&output, marker.as_ref())?;
            let encoded = output.encoding_type() == Some(&EncodingType::Url);
            let mut objects = Vec::with_capacity(output.versions().len());
            for version in output.versions() {
                let listed = self.listed(version, encoded)?;
                let etag = version
                    .e_tag()
                    .map(|etag| etag.trim_matches('"').to_owned());
                objects.extend(listed.map(|listed| Tagged { listed, etag }));
            }
            match next {
                // Nothing but delete markers and foreign objects: go on.
                Some(next) if objects.is_empty() => marker = Some(next),
                next => return Ok((objects, next.map(|next| self.relative(next)))),
            }
        }
    }

    /// All versions of exactly this key, the newest first.
    pub(super) async fn versions_of(&self, key: &Key) -> Result<Vec<Tagged>> {
        let mut versions = Vec::new();
        let mut from = None;
        loop {
            let (page, next) = self.list_tagged(key.as_str(), from).await?;
            let fetched = page.len();
            let same = page.into_iter().filter(|one| one.listed.key == *key);
            let before = versions.len();
            versions.extend(same);
            // The key itself comes before all longer ones.
            if next.is_none() || versions.len() - before < fetched {
                return Ok(versions);
            }
            from = next;
        }
    }

    async fn list_object_versions(
        &self,
        prefix: &str,
        marker: Option<&Cursor>,
    ) -> Result<ListObjectVersionsOutput> {
        let output = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .max_keys(i32::try_from(PAGE_OBJECTS).unwrap_or(i32::MAX))
            // A foreign key may hold what XML cannot.
            .encoding_type(EncodingType::Url)
            .set_key_marker(marker.map(|marker| marker.key.clone()))
            .set_version_id_marker(marker.and_then(|marker| marker.version.clone()))
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await;
        output.map_err(|error| {
            let name = format!("{}/{prefix}", self.url);
            Fault::new(&LIST, &name, error).error
        })
    }

    /// Where the next page begins, as the service names it: with the bucket's own keys.
    fn next_marker(
        &self,
        page: &ListObjectVersionsOutput,
        last: Option<&Cursor>,
    ) -> Result<Option<Cursor>> {
        if page.is_truncated() != Some(true) {
            return Ok(None);
        }
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let key = page.next_key_marker().and_then(|key| decoded(key, encoded));
        let version = page.next_version_id_marker().map(str::to_owned);
        match key.map(|key| Cursor { key, version }) {
            Some(next) if Some(&next) != last => Ok(Some(next)),
            // A reader would go round for ever, or take the beginning for all there is.
            _ => {
                let what = format!("the listing of {} does not advance", self.url);
                Err(Error::failed(what))
            }
        }
    }

    /// The listing was asked for keys under the repository's prefix only.
    fn relative(&self, marker: Cursor) -> Cursor {
        let key = marker.key.strip_prefix(&self.prefix);
        Cursor {
            key: key.map_or_else(|| marker.key.clone(), str::to_owned),
            ..marker
        }
    }

    /// `None` for what is not lifeboat's: its key is no [`Key`].
    fn listed(&self, version: &ObjectVersion, encoded: bool) -> Result<Option<ListedObject>> {
        let key = version.key().and_then(|key| decoded(key, encoded));
        let Some(key) = key
            .as_deref()
            .and_then(|key| key.strip_prefix(&self.prefix))
            .and_then(|key| key.parse::<Key>().ok())
        else {
            return Ok(None);
        };
        let bytes = version.size().and_then(|size| u64::try_from(size).ok());
        let listed = bytes
            .zip(version.version_id())
            .ok_or_else(|| "the listing gives no size or version".to_owned())
            .and_then(|(bytes, id)| Ok((bytes, id, timestamp(version.last_modified())?)));
        let (bytes, id, stored_at) = listed.map_err(|what| self.odd(&key, what))?;
        Ok(Some(ListedObject {
            version: id.to_owned(),
            bytes,
            stored_at,
            key,
        }))
    }
}

/// A key of a listing; `None` where its encoding is not sound.
fn decoded(key: &str, encoded: bool) -> Option<String> {
    match encoded {
        true => percent::decode(&key.replace('+', " ")),
        false => Some(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_listing_are_decoded_once() {
        assert_eq!(decoded("a%2520b", true).as_deref(), Some("a%20b"));
        assert_eq!(decoded("a%2Fb+c%C3%BC", true).as_deref(), Some("a/b cü"));
        assert_eq!(decoded("a%20b", false).as_deref(), Some("a%20b"));
        for unsound in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert_eq!(decoded(unsound, true), None, "{unsound}");
        }
    }
}
