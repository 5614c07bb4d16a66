//! What a drill creates from a copy: a parameter group that keeps it from acting by itself, and an
//! instance or cluster in the network for drills.

use std::collections::BTreeMap;

use super::isolation::{NO_WORKERS, without_actors};
use super::job::{SpareDrill, group_kinds, member_name};
use super::report::Report;
use crate::aws::rds::{NewDb, NewMember};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, Parameter};
use crate::snapshot::creation::RestorePlan;
use crate::snapshot::names::tag;
use crate::snapshot::restore::recorded::{custom_parameter_group, new_db};

/// The port that the network for drills lets in.
const PORT: u32 = 5432;

impl SpareDrill<'_> {
    /// Nothing is ever overwritten.
    pub(super) async fn check_name_is_free(&self) -> Result<()> {
        let (kind, name) = (self.kind(), &self.name);
        if self.rds().state(kind, name).await?.is_none() {
            return Ok(());
        }
        Err(
            Error::new(ErrorKind::Exists, format!("{kind} {name} exists"))
                .hint("another drill of this source began in the same second: run it again"),
        )
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let point = &self.found.point;
        [
            (tag::DRILL, "true"),
            (tag::MANAGED, "true"),
            (tag::SOURCE, &point.source),
            (tag::RESTORED_FROM, &point.copy_arn),
            (tag::RUN, self.creation.nonce),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Sets the recorded values, without those that would make the copy act by itself, and reads back the
    /// one that prevents it.
    pub(super) async fn create_groups(&self, report: &mut Report) -> Result<()> {
        for kind in group_kinds(self.kind()) {
            self.create_group(*kind, report).await?;
        }
        let (kind, name) = (self.kind(), &self.name);
        let values = self.rds().parameters(kind, name).await?;
        let off = |one: &Parameter| one.name == NO_WORKERS && one.value == "0";
        if values.iter().any(off) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "parameter group {name} does not say {NO_WORKERS} = 0"
        ))
        .hint(
            "without it a copy would go on with the original's subscriptions; nothing was started",
        ))
    }

    async fn create_group(&self, kind: Kind, report: &mut Report) -> Result<()> {
        let (family, tags) = (self.found.point.parameter_family(), self.tags());
        let rds = self.rds();
        let created = rds.create_parameter_group(kind, &self.name, &family, &tags);
        if let Err(error) = created.await {
            if error.kind() != ErrorKind::Exists {
                return Err(error);
            }
            // The reply to our own call may have been lost.
            let there = self.rds().parameter_group_tags(kind, &self.name).await?;
            if there.get(tag::RUN).map(String::as_str) != Some(self.creation.nonce) {
                return Err(error);
            }
        }
        if kind == self.kind() {
            let off = Parameter {
                name: NO_WORKERS.to_owned(),
                value: "0".to_owned(),
            };
            self.rds().set_parameters(kind, &self.name, &[off]).await?;
        }
        let settings = self.settings;
        let recorded = settings.and_then(|settings| custom_parameter_group(settings, kind));
        let values = recorded.map_or(Vec::new(), |group| without_actors(&group.values));
        if !values.is_empty()
            && let Err(error) = self.rds().set_parameters(kind, &self.name, &values).await
        {
            report.finding("not all values of the old parameter group", &error);
        }
        Ok(())
    }

    /// One zone is enough for a spare that is stopped.
    pub(super) fn plan(&self) -> Result<RestorePlan> {
        let mut db = NewDb {
            identifier: self.name.clone(),
            class: self.class(),
            port: Some(PORT),
            parameter_group: Some(self.name.clone()),
            subnet_group: Some(self.options.subnet_group.clone()),
            security_groups: vec![self.options.security_group.clone()],
            tags: self.tags(),
            ..new_db(self.found, self.settings)
        };
        if self.kind() == Kind::Instance {
            return Ok(RestorePlan { db, member: None });
        }
        let class = db.class.take().ok_or_else(|| {
            Error::usage("no record says which class the instance of the cluster is to have")
                .hint("say drill.class, for example \"db.r6g.large\"")
        })?;
        // A Multi-AZ cluster has a class itself, and creates its instances.
        let mut member = None;
        if self
            .settings
            .is_some_and(|settings| settings.class.is_some())
        {
            db.class = Some(class);
        } else {
            member = Some(self.member(class));
        }
        Ok(RestorePlan { db, member })
    }

    fn member(&self, class: String) -> NewMember {
        NewMember {
            identifier: member_name(&self.name),
            cluster: self.name.clone(),
            class,
            engine: self.found.point.engine.clone(),
            parameter_group: Some(self.name.clone()),
            tags: self.tags(),
        }
    }
}
