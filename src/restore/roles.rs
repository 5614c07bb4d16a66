//! Roles, memberships and privileges on parameters, and the rights that the user borrows for the time of the
//! restore.

use std::collections::BTreeSet;

use super::parameters;
use super::phases::{self, ROLES};
use super::run::Run;
use crate::error::Result;
use crate::model::attestation::NotTried;
use crate::model::catalog::{Membership, Role};
use crate::model::finding::Finding;
use crate::pg::target::resume_state::TemporaryGrant;
use crate::pg::target::statements::Statement;
use crate::pg::target::{execute, server, statements};
use crate::quote::quote_ident;

/// How the statements begin that give borrowed rights back: rights to create objects, before the privileges
/// are restored; what the comparison needed, before the database's own properties come.
pub(super) const CREATING: &[&str] = &["REVOKE CREATE ON "];
pub(super) const READING: &[&str] = &[
    "REVOKE SELECT ON TABLE ",
    "REVOKE INSERT ON TABLE ",
    "ALTER TABLE ONLY ",
];

/// Makes the roles, memberships and privileges on parameters that are missing; those that exist stay as they
/// are.
pub(super) async fn restore(run: &mut Run<'_>) -> Result<()> {
    let rights = run.facts.rights;
    // Those that a killed run made are there, and are ours.
    run.phases.report_again(ROLES, &mut run.report);
    if rights.superuser || rights.create_role {
        for role in &run.inputs.catalog.roles {
            // A killed run's last transaction may have ended only after the facts were read.
            let is_there = run.facts.roles.contains_key(&role.name)
                || run.report.created_roles.contains(&role.name);
            if !is_there && run.inputs.catalog.database.can_name(&role.name) {
                create(run, role).await?;
            } else if !is_there {
                run.report.findings.push(Finding::new(
                    format!("role {}", quote_ident(&role.name)),
                    "not made: its name is in another encoding than this database; make it in a database \
                     of that encoding, and give it what it owned",
                ));
            }
        }
    }
    let mut memberships = missing_memberships(run);
    if run.inputs.options.keep_rights {
        let (ours, others) = split_by_roles(run, memberships);
        memberships = ours;
        run.report
            .not_tried
            .extend(others.iter().map(NotTried::membership));
    }
    restore_memberships(run, &memberships).await?;
    parameters::restore(run).await
}

/// One transaction makes a role as a whole, and notes that it is ours and what was found about it.
async fn create(run: &mut Run<'_>, role: &Role) -> Result<()> {
    let rights = run.facts.rights;
    let mut findings = Vec::new();
    let withheld = statements::withheld_attributes(role, &rights);
    if !withheld.is_empty() {
        let what = format!("role {}", quote_ident(&role.name));
        let withheld = withheld.join(", ");
        let why = format!("made without {withheld}: the user may not give it");
        findings.push(Finding::new(what, why));
    }
    let statements = statements::create_role(role, &rights);
    // Somebody may have made it meanwhile.
    let made = statements.first().map(|first| first.sql.clone());
    let is_made = |refused: &[Finding]| !refused.iter().any(|one| one.sql == made);
    let note = |refused: &[Finding]| {
        let notes = findings.iter().chain(refused).map(phases::found);
        let notes = notes.chain(is_made(refused).then(|| phases::role_made(&role.name)));
        let notes = notes.map(|note| run.state.note_sql(ROLES, &note));
        notes.collect()
    };
    let refused = execute::together(&run.session, &statements, note).await?;
    if is_made(&refused) {
        run.report.created_roles.push(role.name.clone());
    }
    run.report.findings.extend(findings);
    run.report.findings.extend(refused);
    Ok(())
}

fn missing_memberships(run: &Run<'_>) -> Vec<Membership> {
    let facts = &run.facts;
    let made: BTreeSet<&String> = run.report.created_roles.iter().collect();
    let present: BTreeSet<&String> = facts.roles.keys().chain(made.iter().copied()).collect();
    // Granted again: what a killed run granted, and what the server gave by itself to whoever made the role.
    let is_there = |pair: &(String, String)| {
        facts.memberships.contains(pair) && !made.contains(&pair.0) && !made.contains(&pair.1)
    };
    let is_missing = |one: &&Membership| {
        let pair = (one.role.clone(), one.member.clone());
        present.contains(&one.role) && present.contains(&one.member) && !is_there(&pair)
    };
    let missing = run.inputs.catalog.memberships.iter().filter(is_missing);
    let mut missing: Vec<Membership> = missing.cloned().collect();
    // A grantor that does not exist here cannot be named.
    for one in missing
        .iter_mut()
        .filter(|one| !present.contains(&one.grantor))
    {
        one.grantor.clear();
    }
    missing
}

/// Those of roles that this restore made, and those of roles that were there: what a new role may do, its
/// members may do, too.
fn split_by_roles(run: &Run<'_>, all: Vec<Membership>) -> (Vec<Membership>, Vec<Membership>) {
    let made = &run.report.created_roles;
    all.into_iter().partition(|one| made.contains(&one.member))
}

async fn restore_memberships(run: &mut Run<'_>, memberships: &[Membership]) -> Result<()> {
    let statements = statements::memberships(memberships, &run.facts.rights);
    for one in execute::each(&run.session, &statements).await? {
        // The grantor may lack here what it had there: better the membership than its grantor.
        let sql = one.sql.unwrap_or_default();
        let grant = sql.split(" GRANTED BY ").next().unwrap_or_default();
        run.apply(&[Statement::new(one.what, grant)]).await?;
    }
    Ok(())
}

/// Makes the user a member of every role that owns something, so that it can hand objects over and
/// still fill them. A superuser needs no such thing.
pub(super) async fn borrow_owners(run: &mut Run<'_>, owners: &[String]) -> Result<()> {
    if !run.needs_temporary_grants() || owners.is_empty() {
        return Ok(());
    }
    for owner in server::without_membership(&run.session, owners).await? {
        let role = quote_ident(&owner);
        if run.facts.is_superuser(&owner) {
            run.report.findings.push(Finding::new(
                format!("what role {role} owns"),
                "stays with the user that restores: nobody but a superuser hands things to one",
            ));
            continue;
        }
        let right = statements::join_temporarily(&owner, &run.facts.rights);
        borrow_right(run, &format!("owner of objects of role {role}"), &right).await?;
    }
    Ok(())
}

/// Borrows again what an earlier run gave back at its end, or what it restored and this one must be
/// without.
pub(super) async fn borrow(run: &mut Run<'_>) -> Result<()> {
    for (trigger, enable) in server::event_triggers(&run.session).await? {
        let about = format!("event trigger {}", trigger.escape_debug());
        let name = quote_ident(&trigger);
        let right = TemporaryGrant {
            grant: format!("ALTER EVENT TRIGGER {name} DISABLE"),
            revoke: format!("ALTER EVENT TRIGGER {name} {enable}"),
        };
        borrow_right(run, &about, &right).await?;
    }
    let owners = owners(run);
    borrow_owners(run, &owners).await?;
    borrow_schemas(run, &owners).await?;
    borrow_rows(run, true).await
}

/// Lets every owner make objects in every schema, which it must be able to when it is given one.
pub(super) async fn borrow_schemas(run: &mut Run<'_>, owners: &[String]) -> Result<()> {
    if !run.needs_temporary_grants() || owners.is_empty() {
        return Ok(());
    }
    for (schema, roles) in server::without_create(&run.session, owners).await? {
        let roles: Vec<String> = roles.iter().map(|role| quote_ident(role)).collect();
        let (schema, roles) = (quote_ident(&schema), roles.join(", "));
        let about = format!("objects in schema {schema}");
        borrow_create(run, &about, &format!("SCHEMA {schema}"), &roles).await?;
    }
    Ok(())
}

/// The new owner of a publication must be able to make one.
pub(super) async fn borrow_database(run: &mut Run<'_>) -> Result<()> {
    if !run.needs_temporary_grants() {
        return Ok(());
    }
    let owners = owners(run);
    let owns_publication = |owner: &&String| {
        let mut entries = run.entries.iter();
        entries.any(|entry| entry.kind == "PUBLICATION" && entry.may_belong_to(owner))
    };
    let owners: Vec<String> = owners.iter().filter(owns_publication).cloned().collect();
    let database = format!("DATABASE {}", quote_ident(&run.inputs.target.database));
    for role in server::without_database_create(&run.session, &owners).await? {
        let role = quote_ident(&role);
        let about = format!("publications of role {role}");
        borrow_create(run, &about, &database, &role).await?;
    }
    Ok(())
}

async fn borrow_create(run: &mut Run<'_>, about: &str, object: &str, roles: &str) -> Result<()> {
    let right = TemporaryGrant {
        grant: format!("GRANT CREATE ON {object} TO {roles}"),
        revoke: format!("REVOKE CREATE ON {object} FROM {roles}"),
    };
    borrow_right(run, about, &right).await
}

/// Borrows one right. One that cannot be had is a finding.
async fn borrow_right(run: &mut Run<'_>, about: &str, right: &TemporaryGrant) -> Result<()> {
    let granted = run.state.grant_temporarily(&run.session, right).await;
    report_refused(run, granted, about, &right.grant)
}

/// Makes a finding of what the server refused; a lost connection remains an error.
fn report_refused(
    run: &mut Run<'_>,
    result: Result<()>,
    what: impl Into<String>,
    sql: &str,
) -> Result<()> {
    let Err(error) = result else { return Ok(()) };
    if run.session.is_closed() {
        return Err(error);
    }
    let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
    run.report.findings.push(Finding::new(what, why).sql(sql));
    Ok(())
}

/// Gives back the borrowed rights whose statements begin so.
pub(super) async fn give_back(run: &mut Run<'_>, beginnings: &[&str]) -> Result<()> {
    for revoke in run.state.revokes(&run.session).await? {
        if beginnings.iter().any(|begin| revoke.starts_with(begin)) {
            let returned = run.state.revoke(&run.session, &revoke).await;
            let what = "a right borrowed for the restore was not given back";
            report_refused(run, returned, what, &revoke)?;
        }
    }
    Ok(())
}

/// Gives back all borrowed rights. One may be the user's only way into the database, where its privileges leave PUBLIC
/// out: the membership in its owner. That stays as long as a `--resume` could need it; its statement is returned.
pub(super) async fn give_back_all(run: &mut Run<'_>) -> Result<Option<String>> {
    let owner = &run.inputs.catalog.database.owner;
    let join = statements::join_temporarily(owner, &run.facts.rights);
    let all = run.state.revokes(&run.session).await?;
    let (joined, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| **one == join.revoke);
    let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
    give_back(run, &others).await?;
    if joined.is_empty() {
        return Ok(None);
    }
    match server::can_connect_without(&run.session, &join.revoke).await {
        Ok(false) => Ok(Some(join.revoke)),
        Err(error) if run.session.is_closed() => Err(error),
        // What is refused is told as of any other right.
        Ok(true) | Err(_) => {
            give_back(run, &[&join.revoke]).await?;
            Ok(None)
        }
    }
}

/// Lets the user read what its owners may no longer read once their privileges are back, for the time
/// of the comparison.
pub(super) async fn borrow_reading(run: &mut Run<'_>) -> Result<()> {
    let owners = owners(run);
    borrow_owners(run, &owners).await?;
    borrow_rows(run, false).await
}

/// Lets the user read, or also write, the rows of its owners.
async fn borrow_rows(run: &mut Run<'_>, writing: bool) -> Result<()> {
    if run.facts.rights.superuser || run.inputs.options.is_powerless() {
        return Ok(());
    }
    for (table, no_select, no_insert, forced_security) in server::unreadable(&run.session).await? {
        let about = format!("rows of {table}");
        let name = table.quoted();
        let select = TemporaryGrant {
            grant: format!("GRANT SELECT ON TABLE {name} TO CURRENT_USER"),
            revoke: format!("REVOKE SELECT ON TABLE {name} FROM CURRENT_USER"),
        };
        let security = TemporaryGrant {
            grant: format!("ALTER TABLE ONLY {name} NO FORCE ROW LEVEL SECURITY"),
            revoke: format!("ALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY"),
        };
        let insert = TemporaryGrant {
            grant: format!("GRANT INSERT ON TABLE {name} TO CURRENT_USER"),
            revoke: format!("REVOKE INSERT ON TABLE {name} FROM CURRENT_USER"),
        };
        for (needed, right) in [
            (no_select, select),
            (no_insert && writing, insert),
            (forced_security, security),
        ] {
            if needed {
                borrow_right(run, &about, &right).await?;
            }
        }
    }
    Ok(())
}

/// Roles that own something in the archive or the database itself, as far as they exist.
pub(super) fn owners(run: &Run<'_>) -> Vec<String> {
    let catalog = run.inputs.catalog;
    let owns = |role: &&String| {
        let mut entries = run.entries.iter();
        **role == catalog.database.owner || entries.any(|entry| entry.may_belong_to(role))
    };
    let roles = catalog.roles.iter().map(|role| &role.name);
    roles.filter(owns).cloned().collect()
}
