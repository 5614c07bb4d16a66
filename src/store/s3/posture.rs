//! What the bucket says about itself: versioning, Object Lock, and the time.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::types::{BucketVersioningStatus, DefaultRetention, ObjectLockEnabled};
use aws_smithy_runtime_api::box_error::BoxError;
use jiff::Timestamp;

use super::bucket::S3Store;
use super::fault::{Fault, Operation};
use super::head::lock_mode;
use crate::error::{Error, Result};
use crate::model::lock::LockMode;
use crate::store::Posture;

const GET_VERSIONING: Operation = Operation::new(
    "GetBucketVersioning",
    "ask for the versioning of",
    "s3:GetBucketVersioning",
);
const GET_LOCK: Operation = Operation::new(
    "GetObjectLockConfiguration",
    "ask for the Object Lock of",
    "s3:GetBucketObjectLockConfiguration",
);

type Slot<T> = Arc<Mutex<Option<T>>>;

/// As S3 counts a default retention in years.
const DAYS_OF_A_YEAR: u32 = 365;

impl S3Store {
    pub(super) async fn ask_posture(&self) -> Result<Posture> {
        let date = Slot::default();
        let versioning = match self.versioning(date.clone()).await {
            Ok(versioning) => Some(versioning),
            // A reply that is no XML of this operation, as moto's.
            Err(fault) if fault.status == 200 => None,
            Err(fault) => return Err(fault.error),
        };
        let (object_lock, default_retention) = self.object_lock().await?;
        // There is no Object Lock without versioning, and it cannot be suspended.
        let versioning = versioning.unwrap_or(object_lock);
        let server_time = date.lock().ok().and_then(|mut date| date.take());
        Ok(Posture {
            versioning,
            object_lock,
            default_retention,
            server_time,
        })
    }

    async fn versioning(&self, date: Slot<Timestamp>) -> Result<bool, Fault> {
        let output = self
            .client
            .get_bucket_versioning()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .customize()
            .interceptor(ReplyDate(date))
            .send()
            .await
            .map_err(|error| Fault::new(&GET_VERSIONING, &self.url, error))?;
        Ok(output.status() == Some(&BucketVersioningStatus::Enabled))
    }

    async fn object_lock(&self) -> Result<(bool, Option<(LockMode, u32)>)> {
        let output = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.owner.clone())
            .send()
            .await
            .map_err(|error| Fault::new(&GET_LOCK, &self.url, error));
        let output = match output {
            Ok(output) => output,
            Err(fault) if fault.code == "ObjectLockConfigurationNotFoundError" => {
                return Ok((false, None));
            }
            Err(fault) => return Err(fault.error),
        };
        let Some(configuration) = output.object_lock_configuration() else {
            return Ok((false, None));
        };
        let enabled = configuration.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled);
        let rule = configuration.rule();
        let default = rule.and_then(|rule| rule.default_retention());
        let default = default.map(default_retention).transpose();
        let default = default.map_err(|what| Error::failed(format!("{}: {what}", self.url)))?;
        Ok((enabled, default.flatten()))
    }
}

fn default_retention(default: &DefaultRetention) -> Result<Option<(LockMode, u32)>, String> {
    let whole = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    // Some stores give 0 for the unit that is not set.
    let years = whole(default.years()).map(|years| years.saturating_mul(DAYS_OF_A_YEAR));
    let days = whole(default.days()).filter(|days| *days > 0).or(years);
    let mode = lock_mode(default.mode().map(|mode| mode.as_str()))?;
    Ok(mode.zip(days))
}

/// Keeps the time at which the service says it replied.
#[derive(Debug)]
struct ReplyDate(Slot<Timestamp>);

impl Intercept for ReplyDate {
    fn name(&self) -> &'static str {
        "ReplyDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let Ok(mut slot) = self.0.lock() {
            *slot = date.map(|date| date.timestamp());
        }
        Ok(())
    }
}
