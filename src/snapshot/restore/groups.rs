//! Parameter and option groups of the old account, created again for the new instance.

use std::collections::BTreeMap;

use super::job::Job;
use super::recorded::custom_parameter_group;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, ParameterGroup};
use crate::snapshot::creation::RestorePlan;
use crate::snapshot::names::tag;

impl Job<'_> {
    /// Creates the groups that the plan names. Values that RDS refuses are a finding: the database is
    /// wanted all the same.
    pub(super) async fn create_groups(
        &self,
        plan: &RestorePlan,
        findings: &mut Vec<String>,
    ) -> Result<()> {
        let Some(settings) = self.settings else {
            return Ok(());
        };
        let kinds: &[Kind] = match plan.db.kind {
            Kind::Instance => &[Kind::Instance],
            Kind::Cluster => &[Kind::Cluster, Kind::Instance],
        };
        for &kind in kinds {
            if let Some(group) = custom_parameter_group(settings, kind) {
                self.create_parameter_group(kind, group, findings).await?;
            }
        }
        if let (Some(name), Some(group)) = (&plan.db.option_group, &settings.option_group) {
            let tags = self.group_tags();
            match self.rds.create_option_group(name, group, &tags).await {
                // An earlier attempt's, with the same options.
                Err(error) if error.kind() == ErrorKind::Exists => {}
                created => created?,
            }
        }
        Ok(())
    }

    fn group_tags(&self) -> BTreeMap<String, String> {
        let from = (
            tag::RESTORED_FROM.to_owned(),
            self.found.point.copy_arn.clone(),
        );
        [from].into()
    }

    async fn create_parameter_group(
        &self,
        kind: Kind,
        group: &ParameterGroup,
        findings: &mut Vec<String>,
    ) -> Result<()> {
        let name = self.group_name();
        let point = &self.found.point;
        let (family, tags) = (point.parameter_family(), self.group_tags());
        let created = self.rds.create_parameter_group(kind, &name, &family, &tags);
        if let Err(error) = created.await {
            let there = match error.kind() {
                // An earlier attempt's, or our own whose reply was lost.
                ErrorKind::Exists => self.rds.parameter_group_tags(kind, &name).await?,
                _ => return Err(error),
            };
            if there.get(tag::RESTORED_FROM) != Some(&point.copy_arn) {
                return Err(Error::new(
                    ErrorKind::Exists,
                    format!("parameter group {name} exists, and is not of a restore of this copy"),
                )
                .hint("choose another --as, or delete the group"));
            }
        }
        if let Err(error) = self.rds.set_parameters(kind, &name, &group.values).await {
            findings.push(format!(
                "not all values of the old parameter group {} could be set: {}",
                group.name,
                error.chain()
            ));
        }
        Ok(())
    }
}
