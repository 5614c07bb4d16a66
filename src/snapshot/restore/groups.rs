//! Parameter and option groups of the old account, made again for the new instance.

use std::collections::BTreeMap;

use super::{Making, Planned, RESTORED_FROM};
use crate::aws::rds::NewParameterGroup;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, ParameterGroup, Settings};

/// The recorded parameter group that is worth making again. An instance's in a cluster is the writer's.
pub(crate) fn wanted(settings: &Settings, of: Kind) -> Option<&ParameterGroup> {
    let group = match (of, settings.members.first()) {
        (Kind::Instance, Some(writer)) => writer.parameter_group.as_ref(),
        _ => settings.parameter_group.as_ref(),
    };
    group.filter(|group| !group.values.is_empty())
}

impl Making<'_> {
    /// Makes what the plan names. Values that RDS refuses are a finding: the database is wanted all
    /// the same.
    pub async fn make_groups(&self, planned: &Planned, findings: &mut Vec<String>) -> Result<()> {
        let Some(settings) = self.settings else {
            return Ok(());
        };
        let kinds = match planned {
            Planned::Instance(_) => vec![Kind::Instance],
            Planned::Cluster(..) => vec![Kind::Cluster, Kind::Instance],
        };
        for of in kinds {
            if let Some(group) = wanted(settings, of) {
                self.make_parameters(of, group, findings).await?;
            }
        }
        if let (Planned::Instance(new), Some(group)) = (planned, &settings.option_group)
            && let Some(name) = &new.option_group
        {
            match self
                .rds
                .create_option_group(name, group, &self.group_tags())
                .await
            {
                Ok(()) => {}
                // An earlier attempt's, with the same options.
                Err(error) if error.kind() == ErrorKind::Exists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn group_tags(&self) -> BTreeMap<String, String> {
        let from = (RESTORED_FROM.to_owned(), self.found.point.copy_arn.clone());
        [from].into()
    }

    async fn make_parameters(
        &self,
        of: Kind,
        group: &ParameterGroup,
        findings: &mut Vec<String>,
    ) -> Result<()> {
        let name = self.group_name();
        let point = &self.found.point;
        let major = point.engine_version.split('.').next().unwrap_or_default();
        let family = format!("{}{major}", point.engine);
        let tags = self.group_tags();
        let new = NewParameterGroup {
            name: &name,
            family: &family,
            tags: &tags,
        };
        if let Err(error) = self.rds.create_parameter_group(of, &new).await {
            let there = match error.kind() {
                // An earlier attempt's, or our own whose reply was lost.
                ErrorKind::Exists => self.rds.parameter_group_tags(of, &name).await?,
                _ => return Err(error),
            };
            if there.get(RESTORED_FROM) != Some(&point.copy_arn) {
                return Err(Error::new(
                    ErrorKind::Exists,
                    format!("parameter group {name} exists, and is not of a restore of this copy"),
                )
                .hint("choose another --as, or delete the group"));
            }
        }
        if let Err(error) = self.rds.set_parameters(of, &name, &group.values).await {
            findings.push(format!(
                "not all values of the old parameter group {} could be set: {}",
                group.name,
                error.chain()
            ));
        }
        Ok(())
    }
}
