//! Whether a plan may be applied: a gate for pipelines and for whoever applies plans unread.

use serde_json::Value;

use super::{Kind, Planned, Protected, Resource};
use crate::doctor::{Finding, Severity};

/// Findings about a plan, the worst first: a protected thing that is deleted or replaced is critical,
/// so is a guard of a database that is taken away.
pub fn gate(plan: &[Planned], protected: &Protected) -> Vec<Finding> {
    // What is not changed is in a plan, too.
    let protected = &match protected.is_empty() {
        true => Protected::default(),
        false => protected.with_keys_of(plan.iter().map(|one| &one.resource)),
    };
    let mut findings: Vec<Finding> = plan.iter().flat_map(|one| look(one, protected)).collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn look(planned: &Planned, protected: &Protected) -> Vec<Finding> {
    let resource = &planned.resource;
    let Some(kind) = Kind::of(&resource.kind) else {
        return Vec::new();
    };
    if !protected.holds(kind, resource) {
        return Vec::new();
    }
    let address = named(planned, kind);
    if planned.deletes() {
        return vec![destroys(planned, kind, &address)];
    }
    if planned.forgets() {
        return vec![
            Finding::new(
                Severity::Info,
                "plan-forgets",
                format!("{address} leaves the state"),
            )
            .means("Terraform will not destroy it, and no longer guard it either"),
        ];
    }
    if kind != Kind::Database && kind != Kind::Bucket {
        return Vec::new();
    }
    weakened(planned, &address)
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
    let does = if planned.replaces() {
        "replaces"
    } else {
        "destroys"
    };
    let means = match kind {
        Kind::Database => goes_with(&planned.resource),
        Kind::Snapshot => "what can be restored from it is gone".to_owned(),
        Kind::Key => {
            "nothing that lies under it can be opened when the waiting period ends".to_owned()
        }
        Kind::Role => "backups that need it stop".to_owned(),
        Kind::Bucket => "backups lose their place or one of their guards".to_owned(),
        Kind::Stack => "it may hold the bucket, keys and roles of backups".to_owned(),
    };
    Finding::new(Severity::Critical, "plan-destroys", format!("the plan {does} {address}"))
        .means(means)
        .mend(format!(
            "do not apply it; find out why it {does} that: wrong state or workspace, a renamed resource (`moved`), a changed argument that forces replacement. `lifecycle {{ prevent_destroy = true }}` stops such plans"
        ))
}

/// What goes with a database, as far as the document tells.
fn goes_with(database: &Resource) -> String {
    let values = &database.values;
    if !matches!(
        database.kind.as_str(),
        "aws_db_instance" | "aws_rds_cluster"
    ) {
        return "databases lose an instance, or copies of theirs".to_owned();
    }
    let finally = match flag(values, "skip_final_snapshot") {
        Some(true) => "its data goes, without a final snapshot",
        Some(false) => "its data goes, after a final snapshot",
        None => "its data goes",
    };
    match flag(values, "delete_automated_backups") {
        Some(false) => finally.to_owned(),
        _ => format!("{finally}; its automated snapshots go with it"),
    }
}

/// A database's guards, and what they are when they hold.
fn weakened(planned: &Planned, address: &str) -> Vec<Finding> {
    let (before, after) = (&planned.resource.values, &planned.after);
    let mut findings = Vec::new();
    let turned =
        |name: &str, bad: bool| flag(after, name) == Some(bad) && flag(before, name) != Some(bad);
    let mut add = |severity, what: &str, means: &str| {
        findings.push(
            Finding::new(
                severity,
                "plan-weakens",
                format!("the plan sets {what} on {address}"),
            )
            .means(means)
            .mend("leave it out of the plan, unless a person decided so"),
        );
    };
    if turned("deletion_protection", false) {
        add(
            Severity::Critical,
            "deletion_protection = false",
            "the next plan can destroy it",
        );
    }
    let retention = |values: &Value| values.get("backup_retention_period")?.as_f64();
    if retention(after) == Some(0.0) && retention(before) != Some(0.0) {
        add(
            Severity::Critical,
            "backup_retention_period = 0",
            "all its automated snapshots are deleted at once",
        );
    }
    if turned("skip_final_snapshot", true) {
        add(
            Severity::Warning,
            "skip_final_snapshot = true",
            "destroying it leaves nothing",
        );
    }
    if turned("delete_automated_backups", true) {
        add(
            Severity::Warning,
            "delete_automated_backups = true",
            "destroying it takes its automated snapshots along",
        );
    }
    if turned("force_destroy", true) {
        add(
            Severity::Critical,
            "force_destroy = true",
            "destroying the bucket empties it first",
        );
    }
    findings
}

pub fn flag(values: &Value, name: &str) -> Option<bool> {
    values.get(name)?.as_bool()
}

#[cfg(test)]
mod tests {
    use super::super::{Document, parse};
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
        gate(&plan(changes), protected)
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
}
