//! What would one `terraform destroy` of a state take?

use super::guard::GUARDS;
use super::protected::{Kind, Protected};
use super::read::{Resource, flag};
use crate::doctor::finding::{Finding, Severity};
use crate::humanize::first_names;

/// Findings about a state: that it holds a database and its backups together, and guards that its
/// databases and buckets lack.
pub(crate) fn check(state: &[Resource], protected: &Protected) -> Vec<Finding> {
    let ours: Vec<(Kind, &Resource)> = state
        .iter()
        .filter_map(|one| Some((Kind::from_type(&one.kind)?, one)))
        .filter(|(kind, one)| protected.contains(*kind, one))
        .collect();
    let mut findings = Vec::from_iter(together(&ours));
    for (kind, one) in ours {
        let guards = GUARDS.iter().filter(|guard| guard.kind == kind);
        let lacking = guards.filter(|guard| flag(&one.values, guard.attribute) == Some(guard.off));
        findings.extend(lacking.map(|guard| {
            let what = format!("{}: {}", one.address, guard.setting());
            let severity = guard.severity;
            severity.finding("state-guards", what, guard.state_means, guard.mend)
        }));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn together(ours: &[(Kind, &Resource)]) -> Option<Finding> {
    let addresses = |of_databases: bool| -> Vec<&str> {
        let side = ours.iter();
        let side = side.filter(|(kind, _)| (*kind == Kind::Database) == of_databases);
        side.map(|(_, one)| one.address.as_str()).collect()
    };
    let (databases, backups) = (addresses(true), addresses(false));
    if databases.is_empty() || backups.is_empty() {
        return None;
    }
    Some(Severity::Critical.finding(
        "one-state",
        format!(
            "one Terraform state holds databases ({}) and what their backups hang on ({})",
            first_names(&databases, 4),
            first_names(&backups, 4)
        ),
        "one `terraform destroy` takes both",
        "keep backups in a CloudFormation stack of another account (deploy/aws/backup-account.yaml); `terraform state rm` takes them out of this state without touching them",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::read::{Document, parse};
    use super::*;

    fn found(text: &str) -> Vec<(Severity, &'static str)> {
        let Document::State(state) = parse(text).unwrap() else {
            panic!("a plan");
        };
        check(&state, &Protected::default())
            .into_iter()
            .map(|finding| (finding.severity, finding.check))
            .collect()
    }

    const SAFE: &str = r#""deletion_protection":true,"skip_final_snapshot":false,"delete_automated_backups":false"#;

    #[test]
    fn a_database_beside_its_backups_is_critical_in_either_form() {
        let shown = format!(
            r#"{{"format_version":"1.0","values":{{"root_module":{{"resources":[
                {{"address":"aws_db_instance.a","type":"aws_db_instance","mode":"managed","values":{{{SAFE}}}}}],
                "child_modules":[{{"resources":[{{"address":"module.b.aws_s3_bucket.c","type":"aws_s3_bucket","mode":"managed","values":{{}}}}]}}]}}}}}}"#
        );
        let file = format!(
            r#"{{"version":4,"terraform_version":"1.9","resources":[
                {{"mode":"managed","type":"aws_db_instance","name":"a","instances":[{{"index_key":0,"attributes":{{{SAFE}}}}}]}},
                {{"mode":"managed","module":"module.b","type":"aws_s3_bucket","name":"c","instances":[{{"attributes":{{}}}}]}}]}}"#
        );
        for text in [shown, file] {
            assert_eq!(found(&text), [(Severity::Critical, "one-state")]);
        }
    }

    #[test]
    fn a_database_alone_with_its_guards_is_fine_and_data_sources_are_nothing() {
        let file = |mode: &str| {
            format!(
                r#"{{"version":4,"terraform_version":"1.9","resources":[
                {{"mode":"managed","type":"aws_db_instance","name":"a","instances":[{{"attributes":{{{SAFE}}}}}]}},
                {{"mode":"{mode}","type":"aws_kms_key","name":"k","instances":[{{"attributes":{{}}}}]}}]}}"#
            )
        };
        assert!(found(&file("data")).is_empty());
        assert_eq!(found(&file("managed")).len(), 1);
    }

    #[test]
    fn each_guard_that_lacks_is_told() {
        let file = r#"{"version":4,"terraform_version":"1.9","resources":[
            {"mode":"managed","type":"aws_db_instance","name":"a","instances":[{"attributes":
                {"deletion_protection":false,"skip_final_snapshot":true,"delete_automated_backups":true}}]}]}"#;
        assert_eq!(
            found(file),
            [
                (Severity::Critical, "state-guards"),
                (Severity::Warning, "state-guards"),
                (Severity::Warning, "state-guards"),
            ]
        );
        let bucket = r#"{"version":4,"terraform_version":"1.9","resources":[
            {"mode":"managed","type":"aws_s3_bucket","name":"a","instances":[{"attributes":{"force_destroy":true}}]}]}"#;
        assert_eq!(found(bucket), [(Severity::Critical, "state-guards")]);
    }
}
