//! The settings of an instance or cluster, as far as a restore may want them.

use aws_sdk_rds::types::{
    DbCluster, DbClusterMember, DbInstance, DbSubnetGroup, Filter,
    ServerlessV2ScalingConfigurationInfo,
};

use super::client::Rds;
use super::convert::{number_from_sdk, security_group_ids, tags_from_sdk};
use crate::aws::call_error::{from_sdk, if_there};
use crate::error::Result;
use crate::model::snapshot::{
    AssociatedRole, Kind, Member, Monitoring, OptionGroup, ParameterGroup, Serverless, Settings,
    Storage, Subnet, SubnetGroup,
};

impl Rds {
    /// Reads the settings of an instance or cluster, with the values of its groups.
    pub(crate) async fn settings(&self, kind: Kind, identifier: &str) -> Result<Settings> {
        let mut settings = match kind {
            Kind::Instance => instance_settings(self.describe_instance(identifier).await?),
            Kind::Cluster => self.cluster_settings(identifier).await?,
        };
        if let Some(group) = &mut settings.parameter_group {
            self.fill(kind, group).await?;
        }
        if let Some(group) = &settings.option_group
            && !group.is_default()
        {
            settings.option_group = self.option_group(&group.name).await?;
        }
        Ok(settings)
    }

    async fn cluster_settings(&self, identifier: &str) -> Result<Settings> {
        let cluster = self.describe_cluster(identifier).await?;
        let members = cluster.db_cluster_members.clone().unwrap_or_default();
        let subnets = cluster.db_subnet_group.clone();
        let mut settings = cluster_settings(cluster);
        if !members.is_empty() {
            self.add_members(identifier, members, &mut settings).await?;
        }
        if settings.subnet_group.is_none()
            && let Some(name) = subnets
        {
            settings.subnet_group = self.subnet_group(&name).await?;
        }
        Ok(settings)
    }

    async fn add_members(
        &self,
        cluster: &str,
        members: Vec<DbClusterMember>,
        settings: &mut Settings,
    ) -> Result<()> {
        let mut instances = self.members_of(cluster).await?;
        for member in members {
            let name = member.db_instance_identifier.unwrap_or_default();
            let is_named =
                |one: &DbInstance| one.db_instance_identifier.as_deref() == Some(name.as_str());
            let instance = match instances.iter().position(is_named) {
                Some(at) => instances.swap_remove(at),
                // It is being created or deleted: RDS names it and does not describe it.
                None => DbInstance::builder().build(),
            };
            let zone = instance.availability_zone.clone();
            let mut described = instance_settings(instance);
            if let Some(group) = &mut described.parameter_group {
                self.fill(Kind::Instance, group).await?;
            }
            settings.ca = settings.ca.take().or(described.ca);
            settings.subnet_group = settings.subnet_group.take().or(described.subnet_group);
            settings.members.push(Member {
                identifier: name,
                writer: member.is_cluster_writer.unwrap_or(false),
                promotion_tier: number_from_sdk(member.promotion_tier),
                class: described.class,
                zone,
                parameter_group: described.parameter_group,
            });
        }
        // The writer first, otherwise as RDS lists them.
        settings.members.sort_by_key(|member| !member.writer);
        Ok(())
    }

    /// All instances of a cluster, by one call.
    async fn members_of(&self, cluster: &str) -> Result<Vec<DbInstance>> {
        let filter = Filter::builder().name("db-cluster-id").values(cluster);
        let call = self.client.describe_db_instances().filters(filter.build());
        all_pages!(call).map_err(|why| {
            let what = format!("cannot describe the instances of cluster {cluster}");
            from_sdk(operation!("DescribeDBInstances"), what, why)
        })
    }

    async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>> {
        let call = self.client.describe_db_subnet_groups();
        let reply = call.db_subnet_group_name(name).send().await;
        let found = if_there(reply.map_err(|why| {
            let what = format!("cannot read subnet group {name}");
            from_sdk(operation!("DescribeDBSubnetGroups"), what, why)
        }))?;
        let mut groups = found
            .and_then(|found| found.db_subnet_groups)
            .into_iter()
            .flatten();
        Ok(groups.next().map(subnet_group))
    }

    /// Nobody can set a value in a default group.
    async fn fill(&self, kind: Kind, group: &mut ParameterGroup) -> Result<()> {
        if !group.is_default() {
            group.values = self.parameters(kind, &group.name).await?;
        }
        Ok(())
    }
}

/// Both types of the SDK have these fields; those that differ are given.
macro_rules! settings_from {
    ($described:ident, max_gib: $max_gib:expr, $($field:ident: $value:expr,)+) => {
        Settings {
            engine: $described.engine.unwrap_or_default(),
            engine_version: $described.engine_version.unwrap_or_default(),
            storage: Storage {
                kind: $described.storage_type,
                gib: number_from_sdk($described.allocated_storage),
                max_gib: number_from_sdk($max_gib),
                iops: number_from_sdk($described.iops),
                throughput: number_from_sdk($described.storage_throughput),
            },
            multi_az: $described.multi_az.unwrap_or(false),
            backup_window: $described.preferred_backup_window,
            backup_retention_days: number_from_sdk($described.backup_retention_period),
            maintenance_window: $described.preferred_maintenance_window,
            auto_minor_version_upgrade: $described.auto_minor_version_upgrade,
            deletion_protection: $described.deletion_protection.unwrap_or(false),
            publicly_accessible: $described.publicly_accessible.unwrap_or(false),
            iam_authentication: ($described.iam_database_authentication_enabled).unwrap_or(false),
            copy_tags_to_snapshot: $described.copy_tags_to_snapshot.unwrap_or(false),
            monitoring: Monitoring {
                interval_seconds: number_from_sdk($described.monitoring_interval).unwrap_or(0),
                role: $described.monitoring_role_arn,
                performance_insights: $described.performance_insights_enabled.unwrap_or(false),
                performance_insights_days: number_from_sdk(
                    $described.performance_insights_retention_period,
                ),
                log_exports: $described.enabled_cloudwatch_logs_exports.unwrap_or_default(),
            },
            security_groups: security_group_ids($described.vpc_security_groups),
            roles: ($described.associated_roles.into_iter().flatten())
                .filter_map(|role| associated(role.role_arn, role.feature_name))
                .collect(),
            tags: tags_from_sdk($described.tag_list),
            members: Vec::new(),
            $($field: $value,)+
        }
    };
}

fn instance_settings(described: DbInstance) -> Settings {
    let mut parameters = described.db_parameter_groups.into_iter().flatten();
    let mut options = described.option_group_memberships.into_iter().flatten();
    settings_from! {
        described,
        max_gib: described.max_allocated_storage,
        class: described.db_instance_class,
        engine_mode: None,
        port: described.endpoint.and_then(|endpoint| number_from_sdk(endpoint.port)),
        ca: described.ca_certificate_identifier,
        parameter_group: (parameters.next())
            .and_then(|group| group.db_parameter_group_name)
            .map(without_values),
        option_group: (options.next())
            .and_then(|group| group.option_group_name)
            .map(without_options),
        subnet_group: described.db_subnet_group.map(subnet_group),
        serverless: None,
    }
}

fn cluster_settings(described: DbCluster) -> Settings {
    let options = described.db_cluster_option_group_memberships;
    settings_from! {
        described,
        max_gib: None,
        class: described.db_cluster_instance_class,
        engine_mode: described.engine_mode,
        port: number_from_sdk(described.port),
        ca: None,
        parameter_group: described.db_cluster_parameter_group.map(without_values),
        option_group: (options.into_iter().flatten().next())
            .and_then(|group| group.db_cluster_option_group_name)
            .map(without_options),
        subnet_group: None,
        serverless: described.serverless_v2_scaling_configuration.map(capacity),
    }
}

fn without_values(name: String) -> ParameterGroup {
    ParameterGroup {
        name,
        values: Vec::new(),
    }
}

fn without_options(name: String) -> OptionGroup {
    OptionGroup {
        name,
        ..OptionGroup::default()
    }
}

fn subnet_group(described: DbSubnetGroup) -> SubnetGroup {
    SubnetGroup {
        name: described.db_subnet_group_name.unwrap_or_default(),
        vpc: described.vpc_id,
        subnets: (described.subnets.into_iter().flatten())
            .map(|subnet| Subnet {
                id: subnet.subnet_identifier.unwrap_or_default(),
                zone: subnet.subnet_availability_zone.and_then(|zone| zone.name),
            })
            .collect(),
    }
}

fn associated(role: Option<String>, feature: Option<String>) -> Option<AssociatedRole> {
    Some(AssociatedRole {
        role: role?,
        feature: feature.filter(|feature| !feature.is_empty()),
    })
}

fn capacity(described: ServerlessV2ScalingConfigurationInfo) -> Serverless {
    Serverless {
        min: described.min_capacity.map(|units| units.to_string()),
        max: described.max_capacity.map(|units| units.to_string()),
    }
}
