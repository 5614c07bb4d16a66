//! GetObject: whole bodies, never longer than allowed, read again where they break off.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use backon::Retryable as _;
use bytes::{Bytes, BytesMut};

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use super::head::{lock_mode, lock_of};
use crate::error::{Error, Kind, Result};
use crate::model::id::Key;
use crate::model::lock::Lock;

const GET: Operation = Operation::new("GetObject", "read", "s3:GetObject and s3:GetObjectVersion");

/// What a GetObject brings.
pub(super) struct Read {
    pub body: Bytes,
    /// As it came with the body; `Err`: what is odd about it.
    pub lock: Result<Option<Lock>, String>,
}

impl S3Store {
    pub(super) async fn read(&self, key: &Key, version: &str, max_bytes: u64) -> Result<Read> {
        // The SDK retries until the reply begins; a body that breaks off is ours to retry.
        (|| self.read_once(key, version, max_bytes))
            .retry(self.limits.retry)
            .when(|failure| matches!(failure, ReadFailure::Partial(_)))
            .await
            .map_err(|failure| match failure {
                ReadFailure::Partial(error) | ReadFailure::Final(error) => error,
            })
    }

    async fn read_once(&self, key: &Key, version: &str, max: u64) -> Result<Read, ReadFailure> {
        let output = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .version_id(version)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| ReadFailure::Final(Fault::new(&GET, &self.name(key), error).error))?;
        let mode = lock_mode(output.object_lock_mode().map(|mode| mode.as_str()));
        let until = output.object_lock_retain_until_date();
        let lock = mode.and_then(|mode| lock_of(mode, until));
        let body = self.body(key, output, max).await?;
        Ok(Read { body, lock })
    }

    async fn body(
        &self,
        key: &Key,
        output: GetObjectOutput,
        max: u64,
    ) -> Result<Bytes, ReadFailure> {
        let name = self.name(key);
        let too_long = || {
            let what = format!("{name} is longer than the {max} bytes it may have");
            ReadFailure::Final(Error::damaged(what))
        };
        let partial =
            |what: &str| Error::new(Kind::Unavailable, format!("cannot read {name}: {what}"));
        let announced = output
            .content_length()
            .and_then(|len| u64::try_from(len).ok());
        if announced.is_some_and(|announced| announced > max) {
            return Err(too_long());
        }
        let capacity = usize::try_from(announced.unwrap_or(0)).unwrap_or(0);
        let mut body = BytesMut::with_capacity(capacity);
        let mut stream = output.body;
        loop {
            let chunk = tokio::time::timeout(self.limits.attempt_timeout, stream.try_next())
                .await
                .map_err(|_| ReadFailure::Partial(partial("its body stalled")))?
                .map_err(|error| {
                    ReadFailure::Partial(partial("its body broke off").because(error))
                })?;
            let Some(chunk) = chunk else { break };
            if body.len() as u64 + chunk.len() as u64 > max {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        match announced {
            Some(announced) if announced != body.len() as u64 => {
                Err(ReadFailure::Partial(partial("its body ended early")))
            }
            _ => Ok(body.freeze()),
        }
    }
}

enum ReadFailure {
    /// The body broke off: worth another attempt.
    Partial(Error),
    Final(Error),
}
