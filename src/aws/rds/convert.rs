//! Between the SDK's types and ours.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{Tag, VpcSecurityGroupMembership};
use jiff::Timestamp;

pub(super) fn tags_to_sdk(tags: &BTreeMap<String, String>) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    Some(tags.iter().map(tag).collect())
}

pub(super) fn tags_from_sdk(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    tags.into_iter().flatten().filter_map(pair).collect()
}

pub(super) fn security_group_ids(groups: Option<Vec<VpcSecurityGroupMembership>>) -> Vec<String> {
    let groups = groups.into_iter().flatten();
    groups
        .filter_map(|group| group.vpc_security_group_id)
        .collect()
}

pub(super) fn time(at: Option<aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at?.as_nanos()).ok()
}

pub(super) fn number_from_sdk(number: Option<i32>) -> Option<u32> {
    u32::try_from(number?).ok()
}

pub(super) fn number_to_sdk(number: Option<u32>) -> Option<i32> {
    i32::try_from(number?).ok()
}
