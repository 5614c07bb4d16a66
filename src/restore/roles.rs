//! Roles and memberships, and the rights that the user borrows for the time of the restore.

use std::collections::BTreeSet;

use super::Run;
use super::report::Trouble;
use crate::error::Result;
use crate::model::catalog::Membership;
use crate::pg::target::execute::{self, Refused};
use crate::pg::target::resume_state::TemporaryGrant;
use crate::pg::target::server;
use crate::pg::target::statements;
use crate::quote::quote_ident;

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        let why = refused.why();
        Trouble::new(refused.statement.about, why).sql(refused.statement.sql)
    }
}

/// Makes the roles and memberships that are missing; those that exist stay as they are.
pub async fn restore(run: &mut Run<'_>) -> Result<()> {
    let rights = run.facts.rights;
    if rights.superuser || rights.create_role {
        for role in &run.catalog.roles {
            if run.facts.roles.contains_key(&role.name) {
                continue;
            }
            let withheld = statements::withheld_attributes(role, &rights);
            if !withheld.is_empty() {
                run.report.findings.push(Trouble::new(
                    format!("role {}", quote_ident(&role.name)),
                    format!(
                        "made without {}: the user may not give it",
                        withheld.join(", ")
                    ),
                ));
            }
            let refused =
                execute::each(&run.session, &statements::create_role(role, &rights)).await?;
            run.report
                .findings
                .extend(refused.into_iter().map(Trouble::from));
            run.created_roles.push(role.name.clone());
        }
    }
    let present: BTreeSet<String> = run
        .facts
        .roles
        .keys()
        .chain(&run.created_roles)
        .cloned()
        .collect();
    let memberships: Vec<Membership> = run
        .catalog
        .memberships
        .iter()
        .filter(|one| present.contains(&one.role) && present.contains(&one.member))
        .filter(|one| {
            !run.facts
                .memberships
                .contains(&(one.role.clone(), one.member.clone()))
        })
        .map(|one| {
            // A grantor that does not exist here cannot be named.
            let known = present.contains(&one.grantor);
            let grantor = if known {
                one.grantor.clone()
            } else {
                String::new()
            };
            Membership {
                grantor,
                ..one.clone()
            }
        })
        .collect();
    restore_memberships(run, &memberships).await
}

async fn restore_memberships(run: &mut Run<'_>, memberships: &[Membership]) -> Result<()> {
    let statements = statements::memberships(memberships, &run.facts.rights);
    let refused = execute::each(&run.session, &statements).await?;
    for one in refused {
        // The grantor may lack here what it had there: better the membership than its grantor.
        let mut plain = one.statement.clone();
        if let Some((grant, _)) = one.statement.sql.rsplit_once(" GRANTED BY ") {
            plain.sql = grant.to_owned();
        }
        let still = execute::each(&run.session, &[plain]).await?;
        run.report
            .findings
            .extend(still.into_iter().map(Trouble::from));
    }
    Ok(())
}

/// Makes the user a member of every role that owns something, so that it can hand things over and
/// still fill them. A superuser needs no such thing.
pub async fn borrow_owners(run: &mut Run<'_>, owners: &[String]) -> Result<()> {
    if !run.needs_temporary_grants() || owners.is_empty() {
        return Ok(());
    }
    for owner in server::without_membership(&run.session, owners).await? {
        if run.facts.is_superuser(&owner) {
            run.report.findings.push(Trouble::new(
                format!("what role {} owns", quote_ident(&owner)),
                "stays with the user that restores: nobody but a superuser hands things to one",
            ));
            continue;
        }
        let grant = statements::join_temporarily(&owner, &run.facts.rights);
        take(
            run,
            &format!("objects of role {}", quote_ident(&owner)),
            &grant,
        )
        .await?;
    }
    Ok(())
}

/// Borrows anew what an ended run gave back.
pub async fn borrow(run: &mut Run<'_>) -> Result<()> {
    let owners = owners(run);
    borrow_owners(run, &owners).await?;
    borrow_schemas(run, &owners).await
}

/// Lets every owner make objects in every schema, which it must be able to when it is given one.
pub async fn borrow_schemas(run: &mut Run<'_>, owners: &[String]) -> Result<()> {
    if !run.needs_temporary_grants() || owners.is_empty() {
        return Ok(());
    }
    for (schema, roles) in server::without_create(&run.session, owners).await? {
        let roles: Vec<String> = roles.iter().map(|role| quote_ident(role)).collect();
        let (schema, roles) = (quote_ident(&schema), roles.join(", "));
        let grant = TemporaryGrant {
            grant: format!("GRANT CREATE ON SCHEMA {schema} TO {roles}"),
            revoke: format!("REVOKE CREATE ON SCHEMA {schema} FROM {roles}"),
        };
        take(run, &format!("objects in schema {schema}"), &grant).await?;
    }
    borrow_database(run, owners).await
}

/// Whoever is given a publication must be able to make one.
async fn borrow_database(run: &mut Run<'_>, owners: &[String]) -> Result<()> {
    let publications = run
        .entries
        .iter()
        .filter(|entry| entry.kind == "PUBLICATION");
    let publications: Vec<_> = publications.collect();
    let database = quote_ident(&run.server.database);
    let owners: Vec<String> = owners
        .iter()
        .filter(|owner| publications.iter().any(|entry| entry.may_belong_to(owner)))
        .cloned()
        .collect();
    for role in server::without_database_create(&run.session, &owners).await? {
        let role = quote_ident(&role);
        let grant = TemporaryGrant {
            grant: format!("GRANT CREATE ON DATABASE {database} TO {role}"),
            revoke: format!("REVOKE CREATE ON DATABASE {database} FROM {role}"),
        };
        take(run, &format!("publications of role {role}"), &grant).await?;
    }
    Ok(())
}

async fn take(run: &mut Run<'_>, about: &str, grant: &TemporaryGrant) -> Result<()> {
    if let Err(error) = run.state.grant_temporarily(&run.session, grant).await {
        if run.session.is_closed() {
            return Err(error);
        }
        let why = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        run.report
            .findings
            .push(Trouble::new(format!("owners of {about}"), why).sql(grant.grant.clone()));
    }
    Ok(())
}

/// Gives back what was borrowed: rights to CREATE before the privileges are restored, roles at the
/// end.
pub async fn give_back(run: &mut Run<'_>, creates_only: bool) -> Result<()> {
    let chosen = |revoke: &str| !creates_only || revoke.starts_with("REVOKE CREATE ON ");
    revoke_temporary_grants(run, chosen).await
}

async fn revoke_temporary_grants(run: &mut Run<'_>, chosen: impl Fn(&str) -> bool) -> Result<()> {
    for revoke in run.state.revokes(&run.session).await? {
        if !chosen(&revoke) {
            continue;
        }
        if let Err(error) = run.state.revoke(&run.session, &revoke).await {
            if run.session.is_closed() {
                return Err(error);
            }
            let why =
                std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            run.report.findings.push(
                Trouble::new("a right borrowed for the restore was not given back", why)
                    .sql(revoke),
            );
        }
    }
    Ok(())
}

/// Lets the user read what its owners may no longer read once their privileges are back, for the time of
/// the comparison.
pub async fn borrow_reading(run: &mut Run<'_>) -> Result<()> {
    if run.facts.rights.superuser || run.options.nobody.is_some() {
        return Ok(());
    }
    let owners = owners(run);
    borrow_owners(run, &owners).await?;
    for table in server::unreadable(&run.session).await? {
        let name = table.name.quoted();
        if table.no_select {
            let grant = TemporaryGrant {
                grant: format!("GRANT SELECT ON TABLE {name} TO CURRENT_USER"),
                revoke: format!("{REVOKE_SELECT}{name} FROM CURRENT_USER"),
            };
            take(run, &format!("rows of {}", table.name), &grant).await?;
        }
        if table.forced_security {
            let grant = TemporaryGrant {
                grant: format!("ALTER TABLE ONLY {name} NO FORCE ROW LEVEL SECURITY"),
                revoke: format!("{FORCE}{name} FORCE ROW LEVEL SECURITY"),
            };
            take(run, &format!("rows of {}", table.name), &grant).await?;
        }
    }
    Ok(())
}

/// How the rights of [`borrow_reading`] are given back.
const REVOKE_SELECT: &str = "REVOKE SELECT ON TABLE ";
const FORCE: &str = "ALTER TABLE ONLY ";

/// Gives back what the comparison needed, before the database's own properties come.
pub async fn give_back_reading(run: &mut Run<'_>) -> Result<()> {
    revoke_temporary_grants(run, |revoke| {
        revoke.starts_with(REVOKE_SELECT) || revoke.starts_with(FORCE)
    })
    .await
}

/// Roles that own something in the archive or the database itself, as far as they exist.
pub fn owners(run: &Run<'_>) -> Vec<String> {
    run.catalog
        .roles
        .iter()
        .map(|role| &role.name)
        .filter(|role| {
            **role == run.catalog.database.owner
                || run.entries.iter().any(|entry| entry.may_belong_to(role))
        })
        .cloned()
        .collect()
}
