//! Parameter groups and option groups: read where the database is, made again where it is restored.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{
    ApplyMethod, OptionConfiguration, OptionSetting, Parameter as SdkParameter,
};

use super::{Rds, sent, size, told};
use crate::aws::fault::{Operation, error};
use crate::error::Result;
use crate::model::snapshot::{GroupOption, Kind, OptionGroup, Parameter};

const PARAMETERS: Operation = Operation {
    name: "DescribeDBParameters",
    rights: "rds:DescribeDBParameters",
};
const CLUSTER_PARAMETERS: Operation = Operation {
    name: "DescribeDBClusterParameters",
    rights: "rds:DescribeDBClusterParameters",
};
const OPTION_GROUPS: Operation = Operation {
    name: "DescribeOptionGroups",
    rights: "rds:DescribeOptionGroups",
};
const CREATE: Operation = Operation {
    name: "CreateDBParameterGroup",
    rights: "rds:CreateDBParameterGroup and rds:AddTagsToResource",
};
const CREATE_CLUSTER: Operation = Operation {
    name: "CreateDBClusterParameterGroup",
    rights: "rds:CreateDBClusterParameterGroup and rds:AddTagsToResource",
};
const MODIFY: Operation = Operation {
    name: "ModifyDBParameterGroup",
    rights: "rds:ModifyDBParameterGroup",
};
const MODIFY_CLUSTER: Operation = Operation {
    name: "ModifyDBClusterParameterGroup",
    rights: "rds:ModifyDBClusterParameterGroup",
};
const CREATE_OPTIONS: Operation = Operation {
    name: "CreateOptionGroup",
    rights: "rds:CreateOptionGroup and rds:AddTagsToResource",
};
const MODIFY_OPTIONS: Operation = Operation {
    name: "ModifyOptionGroup",
    rights: "rds:ModifyOptionGroup",
};
const TAGS: Operation = Operation {
    name: "ListTagsForResource",
    rights: "rds:ListTagsForResource",
};

/// What one call may set.
const PARAMETERS_A_CALL: usize = 20;
/// How RDS marks a value that is not the engine's default.
const SET_BY_USER: &str = "user";
const DESCRIPTION: &str = "made by lifeboat for a restored database";

/// A group that is to be made: its name, family and tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup<'a> {
    pub name: &'a str,
    /// `postgres16`, `aurora-postgresql16`.
    pub family: &'a str,
    pub tags: &'a BTreeMap<String, String>,
}

impl Rds {
    /// The values of a parameter group that a user set; a cluster's groups are another kind.
    pub async fn parameters(&self, kind: Kind, group: &str) -> Result<Vec<Parameter>> {
        let what = || format!("cannot read parameter group {group}");
        let all = match kind {
            Kind::Instance => self
                .client
                .describe_db_parameters()
                .db_parameter_group_name(group)
                .source(SET_BY_USER)
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(&PARAMETERS, what(), why))?,
            Kind::Cluster => self
                .client
                .describe_db_cluster_parameters()
                .db_cluster_parameter_group_name(group)
                .source(SET_BY_USER)
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(&CLUSTER_PARAMETERS, what(), why))?,
        };
        let set = |one: SdkParameter| {
            Some(Parameter {
                name: one.parameter_name?,
                value: one.parameter_value?,
            })
        };
        Ok(all.into_iter().filter_map(set).collect())
    }

    /// An option group with its options; `None` where there is none of that name.
    pub async fn option_group(&self, name: &str) -> Result<Option<OptionGroup>> {
        let told = self
            .client
            .describe_option_groups()
            .option_group_name(name)
            .send()
            .await
            .map_err(|why| {
                let what = format!("cannot read option group {name}");
                error(&OPTION_GROUPS, what, why)
            })?;
        let group = told.option_groups_list.into_iter().flatten().next();
        Ok(group.map(|group| OptionGroup {
            name: name.to_owned(),
            engine: group.engine_name.unwrap_or_default(),
            major_version: group.major_engine_version.unwrap_or_default(),
            options: group
                .options
                .into_iter()
                .flatten()
                .map(|option| GroupOption {
                    name: option.option_name.unwrap_or_default(),
                    version: option.option_version,
                    port: size(option.port),
                    settings: option
                        .option_settings
                        .into_iter()
                        .flatten()
                        .filter_map(|setting| Some((setting.name?, setting.value?)))
                        .collect(),
                })
                .collect(),
        }))
    }

    /// Makes an empty parameter group.
    pub async fn make_parameter_group(&self, kind: Kind, group: &NewGroup<'_>) -> Result<()> {
        let what = || format!("cannot make parameter group {}", group.name);
        match kind {
            Kind::Instance => self
                .client
                .create_db_parameter_group()
                .db_parameter_group_name(group.name)
                .db_parameter_group_family(group.family)
                .description(DESCRIPTION)
                .set_tags(sent(group.tags))
                .send()
                .await
                .map(drop)
                .map_err(|why| error(&CREATE, what(), why)),
            Kind::Cluster => self
                .client
                .create_db_cluster_parameter_group()
                .db_cluster_parameter_group_name(group.name)
                .db_parameter_group_family(group.family)
                .description(DESCRIPTION)
                .set_tags(sent(group.tags))
                .send()
                .await
                .map(drop)
                .map_err(|why| error(&CREATE_CLUSTER, what(), why)),
        }
    }

    /// Sets values, to be in force when an instance first starts with the group.
    pub async fn set_parameters(
        &self,
        kind: Kind,
        group: &str,
        values: &[Parameter],
    ) -> Result<()> {
        let what = || format!("cannot set the values of parameter group {group}");
        for some in values.chunks(PARAMETERS_A_CALL) {
            let some = some.iter().map(|one| {
                SdkParameter::builder()
                    .parameter_name(&one.name)
                    .parameter_value(&one.value)
                    .apply_method(ApplyMethod::PendingReboot)
                    .build()
            });
            let some = Some(some.collect());
            match kind {
                Kind::Instance => self
                    .client
                    .modify_db_parameter_group()
                    .db_parameter_group_name(group)
                    .set_parameters(some)
                    .send()
                    .await
                    .map(drop)
                    .map_err(|why| error(&MODIFY, what(), why))?,
                Kind::Cluster => self
                    .client
                    .modify_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(group)
                    .set_parameters(some)
                    .send()
                    .await
                    .map(drop)
                    .map_err(|why| error(&MODIFY_CLUSTER, what(), why))?,
            }
        }
        Ok(())
    }

    /// Makes an option group with its options; security groups of options do not travel.
    pub async fn make_option_group(
        &self,
        name: &str,
        like: &OptionGroup,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let what = || format!("cannot make option group {name}");
        self.client
            .create_option_group()
            .option_group_name(name)
            .engine_name(&like.engine)
            .major_engine_version(&like.major_version)
            .option_group_description(DESCRIPTION)
            .set_tags(sent(tags))
            .send()
            .await
            .map_err(|why| error(&CREATE_OPTIONS, what(), why))?;
        let options = like.options.iter().map(|option| {
            let settings = option.settings.iter();
            OptionConfiguration::builder()
                .option_name(&option.name)
                .set_option_version(option.version.clone())
                .set_port(option.port.and_then(|port| i32::try_from(port).ok()))
                .set_option_settings(Some(
                    settings
                        .map(|(name, value)| {
                            OptionSetting::builder().name(name).value(value).build()
                        })
                        .collect(),
                ))
                .build()
        });
        self.client
            .modify_option_group()
            .option_group_name(name)
            .set_options_to_include(Some(options.collect()))
            .apply_immediately(true)
            .send()
            .await
            .map(drop)
            .map_err(|why| error(&MODIFY_OPTIONS, what(), why))
    }

    /// The tags of a parameter group.
    pub async fn group_tags(&self, kind: Kind, group: &str) -> Result<BTreeMap<String, String>> {
        let resource = match kind {
            Kind::Instance => "pg",
            Kind::Cluster => "cluster-pg",
        };
        let arn = format!(
            "arn:aws:rds:{}:{}:{resource}:{group}",
            self.region, self.account
        );
        self.client
            .list_tags_for_resource()
            .resource_name(&arn)
            .send()
            .await
            .map(|found| told(found.tag_list))
            .map_err(|why| error(&TAGS, format!("cannot read the tags of {arn}"), why))
    }
}
