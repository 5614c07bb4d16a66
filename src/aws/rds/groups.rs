//! Parameter groups and option groups: read where the database is, created again where it is restored.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{
    ApplyMethod, Option as SdkOption, OptionConfiguration, OptionSetting, Parameter as SdkParameter,
};

use super::client::Rds;
use super::convert::{number_from_sdk, number_to_sdk, tags_from_sdk, tags_to_sdk};
use crate::aws::call_error::{from_sdk, unless_gone};
use crate::error::Result;
use crate::model::snapshot::{GroupOption, Kind, OptionGroup, Parameter};

/// What one call may set.
const PARAMETERS_A_CALL: usize = 20;
/// How RDS marks a value that is not the engine's default.
const SET_BY_USER: &str = "user";
const DESCRIPTION: &str = "made by lifeboat for a restored database";

impl Rds {
    /// The values of a parameter group that a user set; a cluster's groups are another kind.
    pub(crate) async fn parameters(&self, kind: Kind, group: &str) -> Result<Vec<Parameter>> {
        let what = format!("cannot read parameter group {group}");
        list!(self, kind, what;
            "DescribeDBParameters" describe_db_parameters
                | "DescribeDBClusterParameters" describe_db_cluster_parameters;
            each db_parameter_group_name | db_cluster_parameter_group_name = group;
            both source = SET_BY_USER;
            take found => parameter(found), parameter(found))
    }

    /// The names of all parameter groups, of instances or of clusters.
    pub(crate) async fn parameter_groups(&self, kind: Kind) -> Result<Vec<String>> {
        let what = format!("cannot list the parameter groups of {kind}s");
        list!(self, kind, what;
            "DescribeDBParameterGroups" describe_db_parameter_groups
                | "DescribeDBClusterParameterGroups" describe_db_cluster_parameter_groups;
            take group => group.db_parameter_group_name, group.db_cluster_parameter_group_name)
    }

    /// An option group with its options; `None` where there is none of that name.
    pub(crate) async fn option_group(&self, name: &str) -> Result<Option<OptionGroup>> {
        let call = self.client.describe_option_groups();
        let reply = call.option_group_name(name).send().await.map_err(|why| {
            let what = format!("cannot read option group {name}");
            from_sdk(operation!("DescribeOptionGroups"), what, why)
        })?;
        let group = reply.option_groups_list.into_iter().flatten().next();
        Ok(group.map(|group| OptionGroup {
            name: name.to_owned(),
            engine: group.engine_name.unwrap_or_default(),
            major_version: group.major_engine_version.unwrap_or_default(),
            options: (group.options.into_iter().flatten())
                .map(option_from_sdk)
                .collect(),
        }))
    }

    /// Creates an empty parameter group of a family such as `postgres16`.
    pub(crate) async fn create_parameter_group(
        &self,
        kind: Kind,
        name: &str,
        family: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let what = format!("cannot make parameter group {name}");
        send!(self, kind, from_sdk(what);
            "CreateDBParameterGroup" create_db_parameter_group
                | "CreateDBClusterParameterGroup" create_db_cluster_parameter_group
                + " and rds:AddTagsToResource";
            each db_parameter_group_name | db_cluster_parameter_group_name = name;
            both db_parameter_group_family = family,
                description = DESCRIPTION,
                set_tags = tags_to_sdk(tags);)
    }

    /// Sets values, to be in force when an instance first starts with the group.
    pub(crate) async fn set_parameters(
        &self,
        kind: Kind,
        group: &str,
        values: &[Parameter],
    ) -> Result<()> {
        let what = || format!("cannot set the values of parameter group {group}");
        for values in values.chunks(PARAMETERS_A_CALL) {
            let values = values.iter().map(|one| {
                SdkParameter::builder()
                    .parameter_name(&one.name)
                    .parameter_value(&one.value)
                    .apply_method(ApplyMethod::PendingReboot)
                    .build()
            });
            send!(self, kind, from_sdk(what());
                "ModifyDBParameterGroup" modify_db_parameter_group
                    | "ModifyDBClusterParameterGroup" modify_db_cluster_parameter_group;
                each db_parameter_group_name | db_cluster_parameter_group_name = group;
                both set_parameters = Some(values.collect());)?;
        }
        Ok(())
    }

    /// Deletes a parameter group that nothing uses; one that is gone already is no error.
    pub(crate) async fn delete_parameter_group(&self, kind: Kind, name: &str) -> Result<()> {
        let what = format!("cannot delete parameter group {name}");
        unless_gone(send!(self, kind, from_sdk(what);
            "DeleteDBParameterGroup" delete_db_parameter_group
                | "DeleteDBClusterParameterGroup" delete_db_cluster_parameter_group;
            each db_parameter_group_name | db_cluster_parameter_group_name = name;))
    }

    /// Creates an option group with its options; security groups of options do not travel.
    pub(crate) async fn create_option_group(
        &self,
        name: &str,
        like: &OptionGroup,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let what = || format!("cannot make option group {name}");
        let operation = operation!("CreateOptionGroup", " and rds:AddTagsToResource");
        self.client
            .create_option_group()
            .option_group_name(name)
            .engine_name(&like.engine)
            .major_engine_version(&like.major_version)
            .option_group_description(DESCRIPTION)
            .set_tags(tags_to_sdk(tags))
            .send()
            .await
            .map_err(|why| from_sdk(operation, what(), why))?;
        self.client
            .modify_option_group()
            .option_group_name(name)
            .set_options_to_include(Some(like.options.iter().map(option_to_sdk).collect()))
            .apply_immediately(true)
            .send()
            .await
            .map(drop)
            .map_err(|why| from_sdk(operation!("ModifyOptionGroup"), what(), why))
    }

    pub(crate) async fn parameter_group_tags(
        &self,
        kind: Kind,
        group: &str,
    ) -> Result<BTreeMap<String, String>> {
        let resource = match kind {
            Kind::Instance => "pg",
            Kind::Cluster => "cluster-pg",
        };
        let arn = self.arn(&format!("{resource}:{group}"));
        let call = self.client.list_tags_for_resource().resource_name(&arn);
        let reply = call.send().await;
        reply
            .map(|reply| tags_from_sdk(reply.tag_list))
            .map_err(|why| {
                let what = format!("cannot read the tags of {arn}");
                from_sdk(operation!("ListTagsForResource"), what, why)
            })
    }
}

fn parameter(found: SdkParameter) -> Option<Parameter> {
    Some(Parameter {
        name: found.parameter_name?,
        value: found.parameter_value?,
    })
}

fn option_from_sdk(option: SdkOption) -> GroupOption {
    let settings = option.option_settings.into_iter().flatten();
    GroupOption {
        name: option.option_name.unwrap_or_default(),
        version: option.option_version,
        port: number_from_sdk(option.port),
        settings: settings
            .filter_map(|setting| Some((setting.name?, setting.value?)))
            .collect(),
    }
}

fn option_to_sdk(option: &GroupOption) -> OptionConfiguration {
    let settings = option.settings.iter();
    let setting = |(name, value)| OptionSetting::builder().name(name).value(value).build();
    OptionConfiguration::builder()
        .option_name(&option.name)
        .set_option_version(option.version.clone())
        .set_port(number_to_sdk(option.port))
        .set_option_settings(Some(settings.map(setting).collect()))
        .build()
}
