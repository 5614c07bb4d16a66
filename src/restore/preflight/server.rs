//! The target's server and user against those of the backup.

use std::collections::BTreeSet;

use super::check::TargetCheck;
use crate::model::catalog::{Catalog, Role};
use crate::model::finding::Finding;
use crate::pg::target::statements;
use crate::quote::quote_ident;
use crate::restore::report::shown;
use crate::restore::run::Inputs;

pub(super) fn compare(check: &mut TargetCheck, inputs: Inputs<'_>) {
    let rights = check.server.rights;
    let (target, source) = (
        rights.version_num / 10_000,
        inputs.point.manifest.server_version_num / 10_000,
    );
    if target < source {
        check.add_problem(format!(
            "the target is PostgreSQL {target}, the backup is of {source}: restore into {source} or later"
        ));
    }
    let user = check.server.user.clone();
    if !rights.superuser && !check.server.inherits && rights.version_num < 160_000 {
        check.add_problem(format!(
            "user {user} is NOINHERIT: it cannot hand objects to their owners and go on filling them"
        ));
    }
    if !rights.superuser && !check.server.speaks_english {
        check.add_problem(format!(
            "the server's messages are not in English, and pg_restore's complaints could not be \
             told apart: set lc_messages to 'C' for user {user} or for the server"
        ));
    }
    if !inputs.options.is_powerless() {
        compare_roles(check, inputs);
    }
    compare_extensions(check, inputs.catalog);
    let missing = missing_tablespaces(inputs.catalog, &check.server.tablespaces);
    if !missing.is_empty() {
        check.add_finding(
            format!("tablespaces {}", shown(&missing)),
            "the target's server does not have them: everything goes into the default one",
        );
    }
}

/// Tablespaces in which the source kept something, and that the target's server does not have.
pub(crate) fn missing_tablespaces(catalog: &Catalog, present: &BTreeSet<String>) -> Vec<String> {
    let used = catalog.not_covered.iter();
    used.filter(|one| one.kind == "tablespaces")
        .flat_map(|one| &one.names)
        .filter(|name| !present.contains(*name))
        .cloned()
        .collect()
}

/// Differing attributes are left out where nothing of the roles is restored, and where the unfinished
/// restore reported them. A server's own administrators are what they are there.
fn compare_roles(check: &mut TargetCheck, inputs: Inputs<'_>) {
    let server = &check.server;
    let ownership = inputs.ownership();
    let wanted = ownership.owners || ownership.privileges;
    let compares = wanted && !check.is_unfinished();
    let mut missing = Vec::new();
    for role in &inputs.catalog.roles {
        match server.roles.get(&role.name) {
            None => missing.push(role.name.clone()),
            Some(_) if [&server.user, &server.owner].contains(&&role.name) => {}
            Some(attributes) if compares => {
                check.findings.extend(other_attributes(role, attributes));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() || server.rights.superuser || server.rights.create_role {
        return;
    }
    let names = shown(&missing);
    let user = server.user.clone();
    if wanted {
        check.add_problem(format!(
            "roles {names} are missing, and user {user} may not make them (CREATEROLE): \
             use one that may, or both --no-owner and --no-privileges"
        ));
    } else {
        check.add_finding(
            format!("roles {names} are missing"),
            format!("user {user} may not make them"),
        );
    }
}

/// A role that is there already keeps its attributes: names those that it has more or fewer.
fn other_attributes(role: &Role, found: &BTreeSet<String>) -> Option<Finding> {
    let attributes = statements::attributes(role).into_iter();
    let mut wanted: BTreeSet<String> = attributes.map(str::to_owned).collect();
    wanted.extend((!role.inherit).then(|| "NOINHERIT".to_owned()));
    let list = |these: &BTreeSet<String>, others: &BTreeSet<String>, word: &str| {
        let names: Vec<&str> = these.difference(others).map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
    };
    let without = list(&wanted, found, "without");
    let differences: Vec<String> = without
        .into_iter()
        .chain(list(found, &wanted, "with"))
        .collect();
    (!differences.is_empty()).then(|| {
        Finding::new(
            format!("role {}", quote_ident(&role.name)),
            format!(
                "it is there already, {}, and stays as it is",
                differences.join(" and ")
            ),
        )
    })
}

fn compare_extensions(check: &mut TargetCheck, catalog: &Catalog) {
    for extension in &catalog.extensions {
        let name = &extension.name;
        match check.server.extensions.get(name) {
            None => check.add_finding(
                format!("extension {name} {}", extension.version),
                "the target's server does not have it: what needs it will be missing; \
                 install its package first",
            ),
            Some(version) if *version != extension.version => {
                let why = format!("version {version} instead of {}", extension.version);
                check.add_finding(format!("extension {name}"), why);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    #[test]
    fn a_role_that_is_there_with_other_rights_is_named() {
        let role = fixture::catalog().roles.remove(0);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let wanted: BTreeSet<String> = statements::attributes(&role)
            .into_iter()
            .map(str::to_owned)
            .chain((!role.inherit).then(|| "NOINHERIT".to_owned()))
            .collect();
        assert_eq!(other_attributes(&role, &wanted), None);
        let other = other_attributes(&role, &words(&["BYPASSRLS", "SUPERUSER"])).unwrap();
        assert!(other.why.contains("with BYPASSRLS, SUPERUSER"), "{other:?}");
    }

    #[test]
    fn tablespaces_that_are_not_there_are_named() {
        let mut catalog = fixture::catalog();
        catalog
            .not_covered
            .push(crate::model::catalog::NotCoveredNames {
                kind: "tablespaces".to_owned(),
                names: vec!["fast".to_owned(), "slow".to_owned()],
            });
        let there = BTreeSet::from(["fast".to_owned()]);
        assert_eq!(missing_tablespaces(&catalog, &there), ["slow"]);
    }
}
