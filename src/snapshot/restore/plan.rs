//! What is created from a copy and its record, and what is left to do by hand.

use super::job::Job;
use super::options::Report;
use super::recorded::{custom_parameter_group, new_db};
use crate::aws::rds::{NewDb, NewMember};
use crate::error::{Error, Result};
use crate::model::snapshot::{Kind, Settings};
use crate::snapshot::creation::RestorePlan;

impl Job<'_> {
    fn custom_parameters(&self, kind: Kind) -> Option<String> {
        custom_parameter_group(self.settings?, kind)
            .is_some()
            .then(|| self.group_name())
    }

    /// Clusters have no option groups of ours.
    fn custom_options(&self) -> Option<String> {
        let group = self.settings?.option_group.as_ref()?;
        let wanted = self.kind() == Kind::Instance && !group.options.is_empty();
        wanted.then(|| self.group_name())
    }

    pub(super) fn plan(&self) -> Result<RestorePlan> {
        let (options, settings) = (self.options, self.settings);
        let class = settings.and_then(|settings| settings.class.clone());
        // A Multi-AZ cluster has a class itself, and creates its instances.
        let needs_member = self.kind() == Kind::Cluster && class.is_none();
        let db = NewDb {
            identifier: options.identifier.clone(),
            class: options.class.clone().or(class).filter(|_| !needs_member),
            multi_az: settings.is_some_and(|settings| settings.multi_az),
            port: settings.and_then(|settings| settings.port),
            iam_authentication: settings.is_some_and(|settings| settings.iam_authentication),
            parameter_group: self.custom_parameters(self.kind()),
            option_group: self.custom_options(),
            subnet_group: options.subnet_group.clone(),
            security_groups: options.security_groups.clone(),
            deletion_protection: true,
            tags: self.tags(),
            ..new_db(self.found, settings)
        };
        let member = needs_member.then(|| self.member()).transpose()?;
        Ok(RestorePlan { db, member })
    }

    /// One instance is enough to get at the data; readers can follow.
    fn member(&self) -> Result<NewMember> {
        let writer = self.settings.and_then(|settings| settings.members.first());
        let recorded = writer.and_then(|writer| writer.class.clone());
        let class = self.options.class.clone().or(recorded).ok_or_else(|| {
            Error::usage(format!(
                "no record says which class the instance of cluster {} is to have",
                self.options.identifier
            ))
            .hint("pass --class, for example db.r6g.large")
        })?;
        Ok(NewMember {
            identifier: self.member_name(),
            cluster: self.options.identifier.clone(),
            class,
            engine: self.found.point.engine.clone(),
            parameter_group: self.custom_parameters(Kind::Instance),
            tags: self.tags(),
        })
    }

    pub(super) fn report(&self, plan: &RestorePlan, findings: Vec<String>) -> Report {
        let point = &self.found.point;
        let RestorePlan { db, member } = plan;
        let member_class = member.as_ref().map(|member| member.class.clone());
        Report {
            dry_run: self.options.dry_run,
            source: point.source.clone(),
            kind: point.kind,
            id: point.id.clone(),
            copy: point.copy.clone(),
            taken_at: point.taken_at,
            identifier: db.identifier.clone(),
            member: member.as_ref().map(|member| member.identifier.clone()),
            region: point.region.clone(),
            class: member_class.or_else(|| db.class.clone()),
            parameter_group: db.parameter_group.clone(),
            option_group: db.option_group.clone(),
            subnet_group: db.subnet_group.clone(),
            security_groups: db.security_groups.clone(),
            address: None,
            port: None,
            recorded: self.settings.is_some(),
            seconds: 0.0,
            findings,
            to_do: self.to_do(),
        }
    }

    fn to_do(&self) -> Vec<String> {
        let mut list = vec![
            "give the applications the new address; passwords and roles of PostgreSQL are as they were".to_owned(),
        ];
        if self.options.subnet_group.is_none() || self.options.security_groups.is_empty() {
            list.push(
                "it lies in the default VPC, or has its default security group: let the applications in, and \
                 nobody else"
                    .to_owned(),
            );
        }
        if let Some(settings) = self.settings {
            list.extend(settings_by_hand(settings));
        }
        list
    }
}

/// Settings that are not restored: they name things of the other account, or cost money.
fn settings_by_hand(settings: &Settings) -> Vec<String> {
    let mut list = Vec::new();
    if let (Some(window), Some(days)) = (&settings.backup_window, settings.backup_retention_days) {
        list.push(format!(
            "automated backups were kept for {days} days, made at {window} UTC"
        ));
    }
    if let Some(ca) = &settings.ca {
        list.push(format!("the certificate authority was {ca}"));
    }
    let monitoring = &settings.monitoring;
    if monitoring.interval_seconds > 0 {
        let seconds = monitoring.interval_seconds;
        list.push(format!("enhanced monitoring was on, every {seconds} s"));
    }
    if monitoring.performance_insights {
        list.push("Performance Insights was on".to_owned());
    }
    if !monitoring.log_exports.is_empty() {
        let logs = monitoring.log_exports.join(", ");
        list.push(format!("logs went to CloudWatch: {logs}"));
    }
    for role in &settings.roles {
        let feature = role.feature.as_deref().unwrap_or("any feature");
        list.push(format!(
            "the database used the role {} for {feature}",
            role.role
        ));
    }
    if let Some(most) = settings.storage.max_gib {
        list.push(format!("storage grew by itself up to {most} GiB"));
    }
    if settings.members.len() > 1 {
        let others = settings.members[1..]
            .iter()
            .map(|one| one.identifier.as_str());
        list.push(format!(
            "the cluster had other instances: {}",
            others.collect::<Vec<_>>().join(", ")
        ));
    }
    list
}
