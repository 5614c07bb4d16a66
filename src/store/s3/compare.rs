//! Does the store compare what arrives with the SHA-256 that was announced? Found out by trying.
//!
//! AWS does. Another store may give back the announced value whatever arrived, and a body that was
//! damaged on its way would be confirmed. So a store that is not AWS is put one object that is wrong on
//! purpose, once each time it is opened for writing. Refused, nothing is left. Taken, its word counts
//! for nothing: all that was put is read back and hashed, or the run fails where the caller may not read.

use backon::Retryable as _;
use bytes::Bytes;

use super::bucket::S3Store;
use super::fault::Fault;
use super::proof::CANARY_FOLDER;
use super::put::Upload;
use crate::error::{Kind, Result};
use crate::model::digest::Sha256;
use crate::model::id::Key;
use crate::model::lock::Lock;

/// One key, so that a store that takes it and honours `If-None-Match` takes it once.
const DOOR: &str = "door";

impl S3Store {
    /// Whether the store takes no body but the announced one; `None`: these credentials may not put
    /// there. Tried beside the key `near`, with the lock of what is put there: who may put the one may
    /// put the other. No answer is an error, and the next call tries again.
    pub(super) async fn compares(&self, near: &str, lock: Option<Lock>) -> Result<Option<bool>> {
        if self.promises.checksums {
            return Ok(Some(true));
        }
        let tried = self.compares.get_or_try_init(async || {
            let upload = Upload {
                key: &door(near)?,
                body: &Bytes::from_static(b"not what was announced"),
                sha256: Sha256::of(b"another body"),
                lock,
            };
            let put = (|| self.put_object(upload))
                .retry(self.limits.retry)
                .when(|fault| fault.status == 409);
            match put.await {
                Ok(_) => Ok(Some(false)),
                Err(fault) if fault.error.kind() == Kind::Unavailable => Err(fault.error),
                Err(fault) if refuses_the_body(&fault) => Ok(Some(true)),
                Err(fault) if fault.is_forbidden() => Ok(None),
                // Such as 412: it is there, so it was taken before.
                Err(_) => Ok(Some(false)),
            }
        });
        tried.await.copied()
    }
}

/// `FOLDER/lifeboat.canary/door`, in the folder of `near`: no object of a restore point, of an
/// attestation or of a record lies two segments below a folder.
fn door(near: &str) -> Result<Key> {
    let folder = near.split_once('/').map_or("parts", |(folder, _)| folder);
    format!("{folder}/{CANARY_FOLDER}{DOOR}").parse()
}

/// The body is all that is wrong with the request. A store that hashes it for the signature finds the
/// signature wrong.
fn refuses_the_body(fault: &Fault) -> bool {
    fault.error.kind() == Kind::Damaged || fault.code == "SignatureDoesNotMatch"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_is_in_the_folder_of_what_is_put() {
        for (key, tried) in [
            (
                "parts/prod/db/id/1/2.copy.zst.age",
                "parts/lifeboat.canary/door",
            ),
            (
                "attestations/prod/db/id/t.json",
                "attestations/lifeboat.canary/door",
            ),
            ("lifeboat.json", "parts/lifeboat.canary/door"),
        ] {
            assert_eq!(door(key).unwrap().as_str(), tried);
        }
    }
}
