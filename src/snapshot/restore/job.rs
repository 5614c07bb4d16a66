//! One restore, with all that its steps work on.

use std::collections::BTreeMap;

use super::options::Options;
use crate::aws::rds::Rds;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, Settings};
use crate::snapshot::list::FoundCopy;
use crate::snapshot::names::tag;

pub(super) struct Job<'a> {
    pub rds: &'a Rds,
    pub options: &'a Options,
    pub found: &'a FoundCopy,
    pub settings: Option<&'a Settings>,
    /// The run's value of the tag [`tag::RUN`].
    pub nonce: &'a str,
}

impl Job<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.found.point.kind
    }

    /// The name of a cluster's instance.
    pub(super) fn member_name(&self) -> String {
        format!("{}-1", self.options.identifier)
    }

    /// The name of all groups that are created.
    pub(super) fn group_name(&self) -> String {
        format!("lifeboat-{}", self.options.identifier)
    }

    /// Nothing is ever overwritten, not even what an earlier restore of this copy has created.
    pub(super) async fn check_free(&self) -> Result<()> {
        let mut names = vec![(self.kind(), self.options.identifier.clone())];
        if self.kind() == Kind::Cluster {
            names.push((Kind::Instance, self.member_name()));
        }
        for (kind, name) in names {
            let Some(there) = self.rds.state(kind, &name).await? else {
                continue;
            };
            let ours = there.tags.get(tag::RESTORED_FROM) == Some(&self.found.point.copy_arn);
            let hint = if ours {
                "it is of an earlier restore of this copy and comes up by itself: look at it with `aws rds \
                 describe-db-instances`; or choose another --as"
            } else {
                "choose another --as"
            };
            return Err(Error::new(
                ErrorKind::Exists,
                format!(
                    "{kind} {name} exists in account {}, {}: '{}'",
                    self.rds.account, self.rds.region, there.status
                ),
            )
            .hint(hint));
        }
        Ok(())
    }

    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let recorded = self.settings.map(|settings| settings.tags.clone());
        let mut tags = recorded.unwrap_or_default();
        // AWS's own cannot be set.
        tags.retain(|key, _| {
            !key.to_lowercase().starts_with("aws:") && !key.starts_with("lifeboat:")
        });
        tags.insert(
            tag::RESTORED_FROM.to_owned(),
            self.found.point.copy_arn.clone(),
        );
        tags.insert(tag::RUN.to_owned(), self.nonce.to_owned());
        tags
    }
}
