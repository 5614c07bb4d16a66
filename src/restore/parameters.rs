//! Privileges on parameters: given with the roles, and read again in the end.

use super::run::Run;
use crate::error::Result;
use crate::model::attestation::NotTried;
use crate::model::catalog::ParameterPrivilege;
use crate::model::finding::Finding;
use crate::pg::session::Session;
use crate::pg::source::catalog::read_parameter_privileges;
use crate::pg::target::statements::{self, Statement};

/// Gives those that are missing. They belong to the server: on somebody's, a drill does not try them.
pub(super) async fn restore(run: &mut Run<'_>) -> Result<()> {
    let missing = missing(run, &run.session).await?;
    if run.inputs.options.keep_rights {
        let missing = missing.iter();
        let not_tried = missing.map(|(one, _)| NotTried::parameter_privilege(one));
        run.report.not_tried.extend(not_tried);
        return Ok(());
    }
    let (nameable, others): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .partition(|(one, _)| can_be_named(run, one));
    let statements: Vec<Statement> = nameable.into_iter().map(|(_, grant)| grant).collect();
    let why = "not given: a name is in another encoding than this database; give it in a database of \
               that encoding";
    let unnamed = others
        .iter()
        .map(|(_, grant)| Finding::new(&grant.about, why));
    run.report.findings.extend(unnamed);
    run.apply(&statements).await
}

/// Those that are still missing, without a finding: to who holds a privilege and may not grant it, the server
/// says no more than a warning.
pub(super) async fn compare(run: &Run<'_>, session: &Session) -> Result<Vec<Finding>> {
    if run.inputs.options.keep_rights {
        return Ok(Vec::new());
    }
    let why = "it is missing, although the server took the statement: give it as a superuser";
    let missing = missing(run, session).await?;
    let told = |grant: &Statement| {
        let mut findings = run.report.findings.iter();
        findings.any(|one| one.what == grant.about)
    };
    let untold = missing
        .into_iter()
        .map(|(_, grant)| grant)
        .filter(|grant| !told(grant));
    Ok(untold
        .map(|grant| Finding::new(grant.about, why).sql(grant.sql))
        .collect())
}

/// Those of the backup that the target lacks, each with what grants it.
async fn missing<'a>(
    run: &Run<'a>,
    session: &Session,
) -> Result<Vec<(&'a ParameterPrivilege, Statement)>> {
    let inputs = run.inputs;
    let wanted = &inputs.catalog.parameter_privileges;
    let is_wanted = inputs.ownership().privileges && !inputs.options.is_powerless();
    if !is_wanted || wanted.is_empty() {
        return Ok(Vec::new());
    }
    let present = read_parameter_privileges(session).await?;
    let is_there = |one: &ParameterPrivilege| {
        present.iter().any(|other| {
            (&one.parameter, &one.grantee, &one.privilege)
                == (&other.parameter, &other.grantee, &other.privilege)
                && one.grantable <= other.grantable
        })
    };
    let missing = wanted.iter().filter(|one| !is_there(one));
    Ok(missing
        .filter_map(|one| Some((one, statements::parameter_privilege(one)?)))
        .collect())
}

fn can_be_named(run: &Run<'_>, one: &ParameterPrivilege) -> bool {
    let database = &run.inputs.catalog.database;
    let mut names = one.grantee.iter().chain([&one.parameter]);
    names.all(|name| database.can_name(name))
}
