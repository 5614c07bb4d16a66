//! What pg_restore said of entries, for the report and for passes that come later.

use super::passes;
use super::report::Report;
use super::run::Run;
use crate::error::Result;
use crate::model::attestation::NotTried;
use crate::model::finding::Finding;
use crate::pg::target::archive::{Outcome, Ungranted};

/// Reports what was not granted, and records which entries failed.
pub(super) async fn record(run: &mut Run<'_>, outcome: &Outcome) -> Result<()> {
    for one in &outcome.ungranted {
        report_ungranted(&mut run.report, one, run.inputs.options.is_powerless());
    }
    // The target was empty: what exists at the very first attempt was not made by us. After an interruption
    // [`passes::again`] tells what was; the schemas and casts that a drill prepared were, too.
    let prepared = |sql: &str| {
        let makes = |what: &str| sql.starts_with(what);
        run.inputs.options.is_powerless() && (makes("CREATE SCHEMA ") || makes("CREATE CAST "))
    };
    let conflicts: Vec<&str> = outcome
        .complaints
        .iter()
        .filter(|complaint| passes::says_exists(&complaint.message))
        .map(|complaint| complaint.sql.as_str())
        .filter(|sql| !run.report.resumed && !prepared(sql))
        .collect();
    run.state
        .add_suspects(&run.session, &outcome.suspects, &conflicts)
        .await
}

fn report_ungranted(report: &mut Report, one: &Ungranted, powerless: bool) {
    if powerless {
        report.not_tried.push(NotTried {
            kind: "acl".to_owned(),
            name: one.on.clone(),
        });
    } else {
        let what = format!("privileges of {}", one.on);
        let finding = Finding::new(what, one.message.clone());
        report.findings.push(finding);
    }
}
