//! RDS: instances and clusters in one shape, one small function a call. What the SDK's types say
//! that nobody asks for stays here.

mod described;
mod groups;
mod guards;
mod lifecycle;
mod restored;
mod settings;
mod snapshots;

use aws_sdk_rds::types::Tag;
use jiff::Timestamp;
use std::collections::BTreeMap;

use super::Account;

pub use described::Snapshot;
pub use groups::NewGroup;
pub use guards::Guards;
pub use restored::{NewCluster, NewInstance, NewMember, Restored};
pub use snapshots::{Refused, Which, Why};

/// RDS of one account in one region.
#[derive(Debug, Clone)]
pub struct Rds {
    client: aws_sdk_rds::Client,
    /// Of the account, 12 digits.
    pub account: String,
    pub region: String,
    /// `source account` or `backup account`.
    pub side: &'static str,
}

impl Rds {
    pub fn of(account: &Account) -> Self {
        let config = aws_sdk_rds::config::Builder::from(account.sdk())
            .interceptor(account.on_expiry())
            .retry_classifier(account.on_expiry());
        Self {
            client: aws_sdk_rds::Client::from_conf(config.build()),
            account: account.id.clone(),
            region: account.region.clone(),
            side: account.side(),
        }
    }
}

/// Tags as RDS takes them.
fn sent(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    Some(tags.iter().map(tag).collect())
}

/// Tags as RDS tells them.
fn told(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    tags.into_iter().flatten().filter_map(pair).collect()
}

fn time(at: Option<aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at?.as_nanos()).ok()
}

fn size(number: Option<i32>) -> Option<u32> {
    u32::try_from(number?).ok()
}
