//! May a plan be applied? A gate for pipelines, and for people who apply plans without reading them.

use serde_json::Value;

use super::guard::GUARDS;
use super::protected::{Kind, Protected};
use super::read::{Planned, Resource, flag};
use crate::doctor::finding::{Finding, Severity};

/// Findings about a plan, the worst first. Critical: it deletes or replaces a protected resource, or
/// takes a guard away from a database.
pub(crate) fn check(plan: &[Planned], protected: &Protected) -> Vec<Finding> {
    // A plan also names what it does not change.
    let protected = &match protected.is_empty() {
        true => Protected::default(),
        false => protected.with_keys_of(plan.iter().map(|one| &one.resource)),
    };
    let findings = plan.iter().flat_map(|one| faults(one, protected));
    let mut findings: Vec<Finding> = findings.collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn faults(planned: &Planned, protected: &Protected) -> Vec<Finding> {
    let resource = &planned.resource;
    let kind = Kind::from_type(&resource.kind);
    let Some(kind) = kind.filter(|kind| protected.contains(*kind, resource)) else {
        return Vec::new();
    };
    let address = named(planned, kind);
    if planned.has("delete") {
        return vec![destroys(planned, kind, &address)];
    }
    if planned.has("forget") {
        return vec![Severity::Info.finding(
            "plan-forgets",
            format!("{address} leaves the state"),
            "Terraform will not destroy it, and no longer guard it either",
            "",
        )];
    }
    weakened(planned, kind, &address)
}

/// The address, and the thing's own name where it is known.
fn named(planned: &Planned, kind: Kind) -> String {
    let names = planned.resource.names(match kind {
        Kind::Database => &["identifier", "cluster_identifier"],
        Kind::Snapshot => &[
            "db_snapshot_identifier",
            "db_cluster_snapshot_identifier",
            "target_db_snapshot_identifier",
            "name",
        ],
        Kind::Key => &["arn", "key_id"],
        Kind::Role | Kind::Stack => &["name", "role"],
        Kind::Bucket => &["bucket"],
    });
    match names.first() {
        Some(name) => format!("{} ({} {name})", planned.resource.address, kind.word()),
        None => format!("{} (a {})", planned.resource.address, kind.word()),
    }
}

fn destroys(planned: &Planned, kind: Kind, address: &str) -> Finding {
    let does = match planned.has("create") {
        true => "replaces",
        false => "destroys",
    };
    let means = match kind {
        Kind::Database => &lost_with(&planned.resource),
        Kind::Snapshot => "what can be restored from it is gone",
        Kind::Key => "nothing that lies under it can be opened when the waiting period ends",
        Kind::Role => "backups that need it stop",
        Kind::Bucket => "backups lose their place or one of their guards",
        Kind::Stack => "it may hold the bucket, keys and roles of backups",
    };
    Severity::Critical.finding(
        "plan-destroys",
        format!("the plan {does} {address}"),
        means,
        format!(
            "do not apply it; find out why it {does} that: wrong state or workspace, a renamed resource (`moved`), a changed argument that forces replacement. `lifecycle {{ prevent_destroy = true }}` stops such plans"
        ),
    )
}

/// What is lost with a database, as far as the document shows it.
fn lost_with(database: &Resource) -> String {
    if !["aws_db_instance", "aws_rds_cluster"].contains(&database.kind.as_str()) {
        return "databases lose an instance, or copies of theirs".to_owned();
    }
    let last = match flag(&database.values, "skip_final_snapshot") {
        Some(true) => ", without a final snapshot",
        Some(false) => ", after a final snapshot",
        None => "",
    };
    let automated = match flag(&database.values, "delete_automated_backups") {
        Some(false) => "",
        _ => "; its automated snapshots go with it",
    };
    format!("its data goes{last}{automated}")
}

/// Guards of a database or bucket that the plan switches off.
fn weakened(planned: &Planned, kind: Kind, address: &str) -> Vec<Finding> {
    let (before, after) = (&planned.resource.values, &planned.after);
    let finding = |severity: Severity, what: &str, means| {
        severity.finding(
            "plan-weakens",
            format!("the plan sets {what} on {address}"),
            means,
            "leave it out of the plan, unless a person decided so",
        )
    };
    let guards = GUARDS.iter().filter(|guard| guard.kind == kind);
    let switched_off = guards.filter(|guard| {
        let is_off = |values| flag(values, guard.attribute) == Some(guard.off);
        is_off(after) && !is_off(before)
    });
    let mut findings: Vec<Finding> = switched_off
        .map(|guard| finding(guard.severity, &guard.setting(), guard.plan_means))
        .collect();
    let retention = |values: &Value| values.get("backup_retention_period")?.as_f64();
    if kind == Kind::Database && retention(after) == Some(0.0) && retention(before) != Some(0.0) {
        findings.push(finding(
            Severity::Critical,
            "backup_retention_period = 0",
            "all its automated snapshots are deleted at once",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::read::{Document, parse};
    use super::*;

    fn plan(changes: &str) -> Vec<Planned> {
        let text = format!(r#"{{"format_version":"1.2","resource_changes":[{changes}]}}"#);
        match parse(&text).unwrap() {
            Document::Plan(plan) => plan,
            Document::State(_) => panic!("a state"),
        }
    }

    fn change(kind: &str, actions: &str, before: &str, after: &str) -> String {
        format!(
            r#"{{"address":"{kind}.x","type":"{kind}","change":{{"actions":{actions},"before":{before},"after":{after}}}}}"#
        )
    }

    fn critical(changes: &str, protected: &Protected) -> Vec<String> {
        check(&plan(changes), protected)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Critical)
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn what_a_plan_destroys_or_replaces_is_named() {
        let all = Protected::default();
        let database = r#"{"identifier":"prod"}"#;
        for (kind, actions, before) in [
            ("aws_db_instance", r#"["delete"]"#, database),
            ("aws_db_instance", r#"["delete","create"]"#, database),
            ("aws_db_instance", r#"["create","delete"]"#, database),
            (
                "aws_rds_cluster",
                r#"["delete"]"#,
                r#"{"cluster_identifier":"prod"}"#,
            ),
            ("aws_db_snapshot", r#"["delete"]"#, "{}"),
            ("aws_kms_key", r#"["delete"]"#, "{}"),
            ("aws_s3_bucket", r#"["delete"]"#, r#"{"bucket":"b"}"#),
            (
                "aws_iam_role",
                r#"["delete"]"#,
                r#"{"name":"lifeboat-exporter"}"#,
            ),
            (
                "aws_cloudformation_stack",
                r#"["delete"]"#,
                r#"{"name":"lifeboat-backup"}"#,
            ),
        ] {
            let found = critical(&change(kind, actions, before, "null"), &all);
            assert_eq!(found.len(), 1, "{kind} {actions}");
            assert!(found[0].contains(&format!("{kind}.x")), "{found:?}");
        }
    }

    #[test]
    fn what_only_grows_passes() {
        let all = Protected::default();
        for (kind, actions) in [
            ("aws_db_instance", r#"["create"]"#),
            ("aws_db_instance", r#"["no-op"]"#),
            ("aws_db_instance", r#"["forget"]"#),
            ("aws_instance", r#"["delete"]"#),
            ("aws_iam_role", r#"["delete"]"#),
        ] {
            let found = critical(&change(kind, actions, r#"{"name":"web"}"#, "{}"), &all);
            assert!(found.is_empty(), "{kind} {actions}: {found:?}");
        }
    }

    #[test]
    fn with_a_configuration_only_its_own_is_protected() {
        let ours = Protected {
            databases: vec!["prod".into()],
            bucket: Some("backups".into()),
            keys: vec!["arn:aws:kms:r:1:key/k1".into()],
            roles: vec!["arn:aws:iam::1:role/lifeboat-exporter".into()],
        };
        let deletes = |kind: &str, before: &str| {
            critical(&change(kind, r#"["delete"]"#, before, "null"), &ours).len()
        };
        for (kind, before, found) in [
            ("aws_db_instance", r#"{"identifier":"prod"}"#, 1),
            ("aws_db_instance", r#"{"identifier":"staging"}"#, 0),
            ("aws_db_instance", "{}", 1),
            (
                "aws_rds_cluster_instance",
                r#"{"identifier":"prod-1","cluster_identifier":"prod"}"#,
                1,
            ),
            ("aws_s3_bucket", r#"{"bucket":"backups"}"#, 1),
            ("aws_s3_bucket", r#"{"bucket":"assets"}"#, 0),
            ("aws_kms_key", r#"{"key_id":"k1"}"#, 1),
            ("aws_kms_key", r#"{"key_id":"k2"}"#, 0),
            ("aws_iam_role", r#"{"name":"lifeboat-exporter"}"#, 1),
            ("aws_iam_role", r#"{"name":"web"}"#, 0),
            ("aws_db_snapshot", r#"{"db_snapshot_identifier":"any"}"#, 1),
        ] {
            assert_eq!(deletes(kind, before), found, "{kind} {before}");
        }
    }

    #[test]
    fn a_guard_that_is_taken_away_is_seen_and_one_that_never_was_is_not() {
        let all = Protected::default();
        let update = |before: &str, after: &str| {
            critical(
                &change("aws_db_instance", r#"["update"]"#, before, after),
                &all,
            )
            .len()
        };
        assert_eq!(
            update(
                r#"{"deletion_protection":true}"#,
                r#"{"deletion_protection":false}"#
            ),
            1
        );
        assert_eq!(
            update(
                r#"{"deletion_protection":false}"#,
                r#"{"deletion_protection":false}"#
            ),
            0
        );
        assert_eq!(
            update(
                r#"{"backup_retention_period":7}"#,
                r#"{"backup_retention_period":0}"#
            ),
            1
        );
        assert_eq!(
            update(
                r#"{"backup_retention_period":7}"#,
                r#"{"backup_retention_period":1}"#
            ),
            0
        );
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in [
            "",
            "Terraform will perform the following actions",
            "[]",
            "{}",
            r#"{"format_version":"2.0","resource_changes":[]}"#,
            r#"{"format_version":"1.0","resource_changes":[{}]}"#,
            r#"{"format_version":"1.0","resource_changes":7}"#,
            r#"{"version":3,"terraform_version":"0.11"}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(
            parse(r#"{"format_version":"1.0","planned_values":{}}"#).unwrap(),
            Document::Plan(Vec::new())
        );
    }

    #[test]
    fn of_foreign_documents_whatever_is_read_and_deletes_what_is_protected_is_critical() {
        let all = Protected::default();
        crate::foreign::each_text("terraform", |text| match parse(text) {
            Ok(Document::Plan(plan)) => {
                let destroys = |one: &&Planned| {
                    let kind = Kind::from_type(&one.resource.kind);
                    one.has("delete") && kind.is_some_and(|kind| all.contains(kind, &one.resource))
                };
                let found = check(&plan, &all);
                let told = found
                    .iter()
                    .filter(|one| one.check == "plan-destroys")
                    .count();
                assert_eq!(told, plan.iter().filter(destroys).count());
                assert!(found.is_sorted_by_key(|one| one.severity));
            }
            Ok(Document::State(state)) => {
                let found = super::super::check_state(&state, &all);
                assert!(found.is_sorted_by_key(|one| one.severity));
            }
            Err(error) => assert!(!error.advice().is_empty(), "{error:?}"),
        });
    }
}
