//! The settings of an instance or cluster, as far as a restore may want them.

use aws_sdk_rds::types::{
    DbCluster, DbInstance, DbSubnetGroup, Filter, ServerlessV2ScalingConfigurationInfo,
    VpcSecurityGroupMembership,
};

use super::{Rds, size, told};
use crate::aws::fault::{Operation, error};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::{
    AssociatedRole, Kind, Member, Monitoring, OptionGroup, ParameterGroup, Serverless, Settings,
    Storage, Subnet, SubnetGroup,
};

const INSTANCES: Operation = Operation {
    name: "DescribeDBInstances",
    rights: "rds:DescribeDBInstances",
};
const CLUSTERS: Operation = Operation {
    name: "DescribeDBClusters",
    rights: "rds:DescribeDBClusters",
};
const SUBNETS: Operation = Operation {
    name: "DescribeDBSubnetGroups",
    rights: "rds:DescribeDBSubnetGroups",
};

impl Rds {
    /// Reads the settings of an instance or cluster, with the values of its groups.
    pub async fn settings(&self, kind: Kind, identifier: &str) -> Result<Settings> {
        let mut settings = match kind {
            Kind::Instance => self.instance_settings(identifier).await?,
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

    async fn instance_settings(&self, identifier: &str) -> Result<Settings> {
        Ok(of_instance(self.describe_instance(identifier).await?))
    }

    async fn cluster_settings(&self, identifier: &str) -> Result<Settings> {
        let cluster = self.describe_cluster(identifier).await?;
        let members = cluster.db_cluster_members.clone().unwrap_or_default();
        let subnets = cluster.db_subnet_group.clone();
        let mut settings = of_cluster(cluster);
        let mut instances = if members.is_empty() {
            Vec::new()
        } else {
            self.members_of(identifier).await?
        };
        for member in members {
            let name = member.db_instance_identifier.unwrap_or_default();
            let at = instances
                .iter()
                .position(|one| one.db_instance_identifier.as_deref() == Some(&name));
            let instance = at
                .map(|at| instances.swap_remove(at))
                .unwrap_or_else(no_instance);
            let zone = instance.availability_zone.clone();
            let of_member = of_instance(instance);
            let mut group = of_member.parameter_group;
            if let Some(group) = &mut group {
                self.fill(Kind::Instance, group).await?;
            }
            settings.ca = settings.ca.or(of_member.ca);
            settings.subnet_group = settings.subnet_group.or(of_member.subnet_group);
            settings.members.push(Member {
                identifier: name,
                writer: member.is_cluster_writer.unwrap_or(false),
                promotion_tier: size(member.promotion_tier),
                class: of_member.class,
                zone,
                parameter_group: group,
            });
        }
        // The writer first, otherwise as RDS lists them.
        settings.members.sort_by_key(|member| !member.writer);
        if settings.subnet_group.is_none()
            && let Some(name) = subnets
        {
            settings.subnet_group = self.subnet_group(&name).await?;
        }
        Ok(settings)
    }

    /// All instances of a cluster, by one call.
    async fn members_of(&self, cluster: &str) -> Result<Vec<DbInstance>> {
        self.client
            .describe_db_instances()
            .filters(
                Filter::builder()
                    .name("db-cluster-id")
                    .values(cluster)
                    .build(),
            )
            .into_paginator()
            .items()
            .send()
            .collect::<std::result::Result<Vec<_>, _>>()
            .await
            .map_err(|why| {
                let what = format!("cannot describe the instances of cluster {cluster}");
                error(&INSTANCES, what, why)
            })
    }

    pub(super) async fn describe_instance(&self, identifier: &str) -> Result<DbInstance> {
        let what = || format!("cannot describe instance {identifier} of the {}", self.side);
        self.client
            .describe_db_instances()
            .db_instance_identifier(identifier)
            .send()
            .await
            .map_err(|why| error(&INSTANCES, what(), why))?
            .db_instances
            .into_iter()
            .flatten()
            .next()
            .ok_or_else(|| Error::failed(format!("{}: no answer", what())))
    }

    pub(super) async fn describe_cluster(&self, identifier: &str) -> Result<DbCluster> {
        let what = || format!("cannot describe cluster {identifier} of the {}", self.side);
        self.client
            .describe_db_clusters()
            .db_cluster_identifier(identifier)
            .send()
            .await
            .map_err(|why| error(&CLUSTERS, what(), why))?
            .db_clusters
            .into_iter()
            .flatten()
            .next()
            .ok_or_else(|| Error::failed(format!("{}: no answer", what())))
    }

    async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>> {
        let told = self
            .client
            .describe_db_subnet_groups()
            .db_subnet_group_name(name)
            .send()
            .await
            .map_err(|why| {
                let what = format!("cannot read subnet group {name}");
                error(&SUBNETS, what, why)
            });
        match told {
            Ok(told) => Ok(told
                .db_subnet_groups
                .into_iter()
                .flatten()
                .next()
                .map(of_subnets)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Nobody can set a value in a default group.
    async fn fill(&self, kind: Kind, group: &mut ParameterGroup) -> Result<()> {
        if !group.is_default() {
            group.values = self.parameters(kind, &group.name).await?;
        }
        Ok(())
    }
}

/// A member that RDS names in its cluster and does not describe: it is being made or deleted.
fn no_instance() -> DbInstance {
    DbInstance::builder().build()
}

fn of_instance(told_of: DbInstance) -> Settings {
    let parameters = told_of.db_parameter_groups.into_iter().flatten().next();
    let options = told_of
        .option_group_memberships
        .into_iter()
        .flatten()
        .next();
    let roles = told_of.associated_roles.into_iter().flatten();
    Settings {
        class: told_of.db_instance_class,
        engine: told_of.engine.unwrap_or_default(),
        engine_version: told_of.engine_version.unwrap_or_default(),
        engine_mode: None,
        storage: Storage {
            kind: told_of.storage_type,
            gib: size(told_of.allocated_storage),
            max_gib: size(told_of.max_allocated_storage),
            iops: size(told_of.iops),
            throughput: size(told_of.storage_throughput),
        },
        multi_az: told_of.multi_az.unwrap_or(false),
        port: told_of.endpoint.and_then(|endpoint| size(endpoint.port)),
        ca: told_of.ca_certificate_identifier,
        backup_window: told_of.preferred_backup_window,
        backup_retention_days: size(told_of.backup_retention_period),
        maintenance_window: told_of.preferred_maintenance_window,
        auto_minor_version_upgrade: told_of.auto_minor_version_upgrade,
        deletion_protection: told_of.deletion_protection.unwrap_or(false),
        publicly_accessible: told_of.publicly_accessible.unwrap_or(false),
        iam_authentication: told_of.iam_database_authentication_enabled.unwrap_or(false),
        copy_tags_to_snapshot: told_of.copy_tags_to_snapshot.unwrap_or(false),
        monitoring: Monitoring {
            interval_seconds: size(told_of.monitoring_interval).unwrap_or(0),
            role: told_of.monitoring_role_arn,
            performance_insights: told_of.performance_insights_enabled.unwrap_or(false),
            performance_insights_days: size(told_of.performance_insights_retention_period),
            log_exports: told_of.enabled_cloudwatch_logs_exports.unwrap_or_default(),
        },
        parameter_group: parameters
            .and_then(|group| group.db_parameter_group_name)
            .map(bare_parameters),
        option_group: options
            .and_then(|group| group.option_group_name)
            .map(bare_options),
        subnet_group: told_of.db_subnet_group.map(of_subnets),
        security_groups: security_groups(told_of.vpc_security_groups),
        roles: roles
            .filter_map(|role| associated(role.role_arn, role.feature_name))
            .collect(),
        tags: told(told_of.tag_list),
        serverless: None,
        members: Vec::new(),
    }
}

fn of_cluster(told_of: DbCluster) -> Settings {
    let options = told_of
        .db_cluster_option_group_memberships
        .into_iter()
        .flatten()
        .next();
    let roles = told_of.associated_roles.into_iter().flatten();
    Settings {
        class: told_of.db_cluster_instance_class,
        engine: told_of.engine.unwrap_or_default(),
        engine_version: told_of.engine_version.unwrap_or_default(),
        engine_mode: told_of.engine_mode,
        storage: Storage {
            kind: told_of.storage_type,
            gib: size(told_of.allocated_storage),
            max_gib: None,
            iops: size(told_of.iops),
            throughput: size(told_of.storage_throughput),
        },
        multi_az: told_of.multi_az.unwrap_or(false),
        port: size(told_of.port),
        ca: None,
        backup_window: told_of.preferred_backup_window,
        backup_retention_days: size(told_of.backup_retention_period),
        maintenance_window: told_of.preferred_maintenance_window,
        auto_minor_version_upgrade: told_of.auto_minor_version_upgrade,
        deletion_protection: told_of.deletion_protection.unwrap_or(false),
        publicly_accessible: told_of.publicly_accessible.unwrap_or(false),
        iam_authentication: told_of.iam_database_authentication_enabled.unwrap_or(false),
        copy_tags_to_snapshot: told_of.copy_tags_to_snapshot.unwrap_or(false),
        monitoring: Monitoring {
            interval_seconds: size(told_of.monitoring_interval).unwrap_or(0),
            role: told_of.monitoring_role_arn,
            performance_insights: told_of.performance_insights_enabled.unwrap_or(false),
            performance_insights_days: size(told_of.performance_insights_retention_period),
            log_exports: told_of.enabled_cloudwatch_logs_exports.unwrap_or_default(),
        },
        parameter_group: told_of.db_cluster_parameter_group.map(bare_parameters),
        option_group: options
            .and_then(|group| group.db_cluster_option_group_name)
            .map(bare_options),
        subnet_group: None,
        security_groups: security_groups(told_of.vpc_security_groups),
        roles: roles
            .filter_map(|role| associated(role.role_arn, role.feature_name))
            .collect(),
        tags: told(told_of.tag_list),
        serverless: told_of.serverless_v2_scaling_configuration.map(capacity),
        members: Vec::new(),
    }
}

fn bare_parameters(name: String) -> ParameterGroup {
    ParameterGroup {
        name,
        values: Vec::new(),
    }
}

fn bare_options(name: String) -> OptionGroup {
    OptionGroup {
        name,
        ..OptionGroup::default()
    }
}

fn of_subnets(told_of: DbSubnetGroup) -> SubnetGroup {
    SubnetGroup {
        name: told_of.db_subnet_group_name.unwrap_or_default(),
        vpc: told_of.vpc_id,
        subnets: told_of
            .subnets
            .into_iter()
            .flatten()
            .map(|subnet| Subnet {
                id: subnet.subnet_identifier.unwrap_or_default(),
                zone: subnet.subnet_availability_zone.and_then(|zone| zone.name),
            })
            .collect(),
    }
}

pub(super) fn security_groups(told_of: Option<Vec<VpcSecurityGroupMembership>>) -> Vec<String> {
    let ids = told_of.into_iter().flatten();
    ids.filter_map(|group| group.vpc_security_group_id)
        .collect()
}

fn associated(role: Option<String>, feature: Option<String>) -> Option<AssociatedRole> {
    Some(AssociatedRole {
        role: role?,
        feature: feature.filter(|feature| !feature.is_empty()),
    })
}

fn capacity(told_of: ServerlessV2ScalingConfigurationInfo) -> Serverless {
    Serverless {
        min: told_of.min_capacity.map(|units| units.to_string()),
        max: told_of.max_capacity.map(|units| units.to_string()),
    }
}
