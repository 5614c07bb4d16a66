//! What a drill makes of a copy: a parameter group that keeps it from acting, an instance or cluster in
//! the place for drills.

use std::collections::BTreeMap;

use super::isolation::{self, NO_WORKERS};
use super::{Drill, Report};
use crate::aws::rds::{DbState, NewCluster, NewInstance, NewMember, NewParameterGroup};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, Parameter, Settings};
use crate::snapshot::made::RUN;
use crate::snapshot::names::tag;
use crate::snapshot::restore::{RESTORED_FROM, groups, plan};

/// What the place for drills lets in.
const PORT: u32 = 5432;

impl Drill<'_> {
    /// Of a cluster's instance.
    pub(super) fn member_name(&self) -> String {
        member(&self.name)
    }

    pub(super) fn class(&self) -> Option<String> {
        let settings = self.settings;
        let recorded = settings.and_then(|settings| settings.class.clone());
        let writer = settings.and_then(|settings| settings.members.first()?.class.clone());
        let class = self.options.class.clone().or(recorded);
        match self.kind() {
            Kind::Instance => class,
            Kind::Cluster => class.or(writer),
        }
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let point = &self.found.point;
        [
            (tag::DRILL, "true"),
            (tag::MANAGED, "true"),
            (tag::SOURCE, &point.source),
            (RESTORED_FROM, &point.copy_arn),
            (RUN, self.made.nonce),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// The recorded values, without what would act; what keeps it from acting is read back.
    pub(super) async fn make_groups(&self, report: &mut Report) -> Result<()> {
        for of in group_kinds(self.kind()) {
            self.make_group(*of, report).await?;
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

    async fn make_group(&self, of: Kind, report: &mut Report) -> Result<()> {
        let (point, tags) = (&self.found.point, self.tags());
        let major = point.engine_version.split('.').next().unwrap_or_default();
        let group = NewParameterGroup {
            name: &self.name,
            family: &format!("{}{major}", point.engine),
            tags: &tags,
        };
        match self.rds().create_parameter_group(of, &group).await {
            Ok(()) => {}
            // The reply to our own call may have been lost.
            Err(error) if error.kind() == ErrorKind::Exists => {
                let there = self.rds().parameter_group_tags(of, &self.name).await?;
                if there.get(RUN).is_none_or(|run| run != self.made.nonce) {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        if of == self.kind() {
            let off = Parameter {
                name: NO_WORKERS.to_owned(),
                value: "0".to_owned(),
            };
            self.rds().set_parameters(of, &self.name, &[off]).await?;
        }
        let recorded = self
            .settings
            .and_then(|settings| groups::wanted(settings, of));
        let values = recorded.map(|group| isolation::without_actors(&group.values));
        if let Some(values) = values.filter(|values| !values.is_empty())
            && let Err(error) = self.rds().set_parameters(of, &self.name, &values).await
        {
            report.finding("not all values of the old parameter group", &error);
        }
        Ok(())
    }

    /// Makes it, and waits until it takes connections.
    pub(super) async fn make(&self) -> Result<DbState> {
        let (kind, name, made) = (self.kind(), self.name.as_str(), &self.made);
        let recorded = Settings::default();
        let settings = self.settings.unwrap_or(&recorded);
        if kind == Kind::Instance {
            let begun = self.rds().restore_instance(&self.instance(settings)).await;
            made.begun(kind, name, begun).await?;
            return made.available(kind, name).await;
        }
        // A Multi-AZ cluster has a class itself, and makes its instances.
        let has_own_class = settings.class.is_some();
        let class = self.class().ok_or_else(|| {
            Error::usage("which class is the instance of the cluster to have? No record tells")
                .hint("say drill.class, for example \"db.r6g.large\"")
        })?;
        let cluster = self.cluster(settings, has_own_class.then(|| class.clone()));
        let begun = self.rds().restore_cluster(&cluster).await;
        made.begun(kind, name, begun).await?;
        let standing = made.available(kind, name).await?;
        if !has_own_class {
            let member = self.member(class);
            let begun = self.rds().add_member(&member).await;
            made.begun(Kind::Instance, &member.identifier, begun)
                .await?;
            made.available(Kind::Instance, &member.identifier).await?;
        }
        Ok(standing)
    }

    /// One zone is enough for a spare that is stopped.
    fn instance(&self, settings: &Settings) -> NewInstance {
        NewInstance {
            identifier: self.name.clone(),
            snapshot: self.found.point.copy.clone(),
            class: self.class(),
            storage: plan::storage(&settings.storage),
            port: Some(PORT),
            parameter_group: Some(self.name.clone()),
            subnet_group: Some(self.options.subnet_group.clone()),
            security_groups: vec![self.options.security_group.clone()],
            tags: self.tags(),
            ..NewInstance::default()
        }
    }

    fn cluster(&self, settings: &Settings, class: Option<String>) -> NewCluster {
        let point = &self.found.point;
        NewCluster {
            identifier: self.name.clone(),
            snapshot: point.copy.clone(),
            engine: point.engine.clone(),
            engine_version: point.engine_version.clone(),
            class,
            storage: plan::storage(&settings.storage),
            port: Some(PORT),
            parameter_group: Some(self.name.clone()),
            serverless: settings.serverless.clone(),
            subnet_group: Some(self.options.subnet_group.clone()),
            security_groups: vec![self.options.security_group.clone()],
            tags: self.tags(),
            ..NewCluster::default()
        }
    }

    fn member(&self, class: String) -> NewMember {
        NewMember {
            identifier: self.member_name(),
            cluster: self.name.clone(),
            class,
            engine: self.found.point.engine.clone(),
            parameter_group: Some(self.name.clone()),
            tags: self.tags(),
        }
    }
}

/// A cluster's one instance.
pub fn member(cluster: &str) -> String {
    format!("{cluster}-1")
}

/// A cluster's instances have groups of their own.
pub fn group_kinds(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Instance => &[Kind::Instance],
        Kind::Cluster => &[Kind::Cluster, Kind::Instance],
    }
}
