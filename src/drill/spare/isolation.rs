//! A physical copy that boots goes on with what the original did: it consumes the slots of its
//! subscriptions, and its jobs run. That it cannot is checked; what cannot be confirmed is refused.

use super::job::{SpareDrill, member_name};
use crate::aws::rds::DbState;
use crate::aws::security_group;
use crate::error::{Error, Result};
use crate::model::snapshot::{Kind, Parameter};
use crate::pg::session::Session;
use crate::pg::target::single_value;

/// 0: no subscription is ever taken up.
pub(super) const NO_WORKERS: &str = "max_logical_replication_workers";
const PRELOADED: &str = "shared_preload_libraries";
/// Libraries that start jobs or replication by themselves, once they are preloaded.
const ACTORS: [&str; 5] = ["pg_cron", "pglogical", "pgactive", "pg_partman_bgw", "bdr"];

/// Recorded values, without libraries that act by themselves and their settings.
pub(super) fn without_actors(recorded: &[Parameter]) -> Vec<Parameter> {
    let is_actors = |name: &str| {
        let (library, _) = name.split_once('.').unwrap_or_default();
        library == "cron" || ACTORS.contains(&library)
    };
    let kept = recorded
        .iter()
        .filter(|one| one.name != NO_WORKERS && !is_actors(&one.name));
    kept.filter_map(|one| match one.name.as_str() {
        PRELOADED => {
            let inert: Vec<&str> = libraries(&one.value)
                .filter(|library| !ACTORS.contains(library))
                .collect();
            // An empty list cannot be set: without one it is RDS's own.
            (!inert.is_empty()).then(|| Parameter {
                name: one.name.clone(),
                value: inert.join(","),
            })
        }
        _ => Some(one.clone()),
    })
    .collect()
}

fn libraries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(|library| library.trim().trim_matches('"'))
        .filter(|library| !library.is_empty())
}

impl SpareDrill<'_> {
    /// Checks that its security group allows no egress. EC2 says so; RDS does not know.
    pub(super) async fn check_egress(&self) -> Result<()> {
        let group = &self.options.security_group;
        let lets_out = security_group::egress(self.backup, group).await?;
        if lets_out.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!(
            "security group {group} lets out {}: {} would not be isolated",
            lets_out.join(", "),
            self.name
        ))
        .hint(
            "name the group that deploy/aws/backup-tasks.yaml makes, or leave this one no rule but one \
             to 127.0.0.1/32: a copy that acts like the original could do harm; nothing was asked of it",
        ))
    }

    /// Checks that RDS created it in the network and with the groups that were asked for.
    pub(super) async fn check_network(&self, created: &DbState) -> Result<()> {
        self.check(self.kind(), &self.name, created)?;
        if self.kind() == Kind::Instance {
            return Ok(());
        }
        let member = member_name(&self.name);
        match self.rds().state(Kind::Instance, &member).await? {
            Some(there) => self.check(Kind::Instance, &member, &there),
            // A Multi-AZ cluster's have names of their own, and its settings.
            None => Ok(()),
        }
    }

    fn check(&self, kind: Kind, name: &str, there: &DbState) -> Result<()> {
        let (wanted, parameters) = (self.options, &self.name);
        let (subnets, security) = (&wanted.subnet_group, &wanted.security_group);
        let wrong = if there.is_public {
            "it is publicly accessible".to_owned()
        } else if there.subnet_group.as_ref() != Some(subnets) {
            let found = &there.subnet_group;
            format!("its subnet group is {found:?}, not {subnets}")
        } else if there.security_groups != [security.as_str()] {
            let found = &there.security_groups;
            format!("its security groups are {found:?}, not {security} alone")
        } else if there.parameter_groups != [parameters.as_str()] {
            let found = &there.parameter_groups;
            format!("its parameter groups are {found:?}, not {parameters} alone")
        } else {
            return Ok(());
        };
        Err(not_isolated(&format!("{kind} {name}"), &wrong))
    }
}

/// Asks the server itself whether it would act by itself.
pub(super) async fn check_server(session: &Session, name: &str) -> Result<()> {
    let show = async |setting: &str| -> Result<String> {
        let value = single_value::read(session, &format!("SHOW {setting}")).await?;
        Ok(value.unwrap_or_default())
    };
    let workers = show(NO_WORKERS).await?;
    if workers != "0" {
        let wrong = format!("{NO_WORKERS} is {workers}");
        return Err(not_isolated(name, &wrong));
    }
    let preloaded = show(PRELOADED).await?;
    match libraries(&preloaded).find(|library| ACTORS.contains(library)) {
        None => Ok(()),
        Some(actor) => Err(not_isolated(name, &format!("{actor} is preloaded"))),
    }
}

fn not_isolated(name: &str, wrong: &str) -> Error {
    Error::refused(format!("{name} is not isolated: {wrong}"))
        .hint("it is removed again: a copy that acts like the original could do harm; nothing was asked of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(list: &[(&str, &str)]) -> Vec<Parameter> {
        let one = |(name, value): &(&str, &str)| Parameter {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn what_acts_by_itself_does_not_come_along() {
        let recorded = parameters(&[
            ("work_mem", "65536"),
            (
                "shared_preload_libraries",
                "pg_stat_statements, pg_cron,pglogical",
            ),
            ("cron.database_name", "courses"),
            ("pglogical.conflict_resolution", "error"),
            ("rds.logical_replication", "1"),
            ("max_logical_replication_workers", "8"),
            ("auto_explain.log_min_duration", "250"),
        ]);
        let kept = parameters(&[
            ("work_mem", "65536"),
            ("shared_preload_libraries", "pg_stat_statements"),
            // Off, a server with a logical slot would not even start.
            ("rds.logical_replication", "1"),
            ("auto_explain.log_min_duration", "250"),
        ]);
        assert_eq!(without_actors(&recorded), kept);
        let alone = parameters(&[("shared_preload_libraries", "pg_cron")]);
        assert_eq!(without_actors(&alone), []);
    }
}
