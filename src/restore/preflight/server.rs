//! The target's server and user against those of the backup.

use std::collections::BTreeSet;

use super::Look;
use crate::model::catalog::{Catalog, Role};
use crate::model::manifest::Manifest;
use crate::pg::target::statements;
use crate::quote::quote_ident;
use crate::restore::Options;
use crate::restore::report::{Trouble, shown};

pub fn compare(look: &mut Look, manifest: &Manifest, catalog: &Catalog, options: &Options) {
    let rights = look.server.rights;
    let (theirs, ours) = (
        rights.version_num / 10_000,
        manifest.server_version_num / 10_000,
    );
    if theirs < ours {
        look.problems.push(format!(
            "the target is PostgreSQL {theirs}, the backup is of {ours}: restore into {ours} or later"
        ));
    }
    if !rights.superuser && !look.server.inherits && rights.version_num < 160_000 {
        look.problems.push(format!(
            "user {} is NOINHERIT: it cannot hand objects to their owners and go on filling them",
            look.server.user
        ));
    }
    if !rights.superuser && !look.server.speaks_english {
        look.problems.push(format!(
            "the server's messages are not in English, and pg_restore's complaints could not be \
             told apart: set lc_messages to 'C' for user {} or for the server",
            look.server.user
        ));
    }
    if options.nobody.is_none() {
        compare_roles(look, catalog, options);
    }
    compare_extensions(look, catalog);
    let missing = missing_tablespaces(catalog, &look.server.tablespaces);
    if !missing.is_empty() {
        look.findings.push(Trouble::new(
            format!("tablespaces {}", shown(&missing)),
            "the target's server does not have them: everything goes into the default one",
        ));
    }
}

/// Tablespaces in which the source kept something, and that the target's server does not have.
pub fn missing_tablespaces(catalog: &Catalog, there: &BTreeSet<String>) -> Vec<String> {
    let used = catalog.not_covered.iter();
    used.filter(|one| one.kind == "tablespaces")
        .flat_map(|one| &one.names)
        .filter(|name| !there.contains(*name))
        .cloned()
        .collect()
}

fn compare_roles(look: &mut Look, catalog: &Catalog, options: &Options) {
    let mut missing = Vec::new();
    // Not where nothing of the roles is restored, and not again what an unfinished restore said. A
    // server's own administrators are what they are there.
    let unwanted = options.no_owner && options.no_privileges;
    let mut left_alone = vec![look.server.user.clone(), look.server.owner.clone()];
    if unwanted || look.is_unfinished() {
        left_alone.extend(look.server.roles.keys().cloned());
    }
    let compared = |role: &String| !left_alone.contains(role);
    for role in &catalog.roles {
        match look.server.roles.get(&role.name) {
            None => missing.push(role.name.clone()),
            Some(attributes) if compared(&role.name) => {
                look.findings.extend(other_attributes(role, attributes));
            }
            Some(_) => {}
        }
    }
    let rights = look.server.rights;
    if missing.is_empty() || rights.superuser || rights.create_role {
        return;
    }
    let names = shown(&missing);
    let user = &look.server.user;
    if options.no_owner && options.no_privileges {
        look.findings.push(Trouble::new(
            format!("roles {names} are missing"),
            format!("user {user} may not make them"),
        ));
    } else {
        look.problems.push(format!(
            "roles {names} are missing, and user {user} may not make them (CREATEROLE): \
             use one that may, or both --no-owner and --no-privileges"
        ));
    }
}

/// A role that is there already stays as it is: what it may there and not here, and the reverse.
fn other_attributes(role: &Role, found: &BTreeSet<String>) -> Option<Trouble> {
    let mut wanted: BTreeSet<String> = statements::attributes(role)
        .into_iter()
        .map(str::to_owned)
        .collect();
    if !role.inherit {
        wanted.insert("NOINHERIT".to_owned());
    }
    let list = |of: &BTreeSet<String>, not_in: &BTreeSet<String>, word: &str| {
        let names: Vec<&str> = of.difference(not_in).map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
    };
    let differences: Vec<String> = [
        list(&wanted, found, "without"),
        list(found, &wanted, "with"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if differences.is_empty() {
        return None;
    }
    Some(Trouble::new(
        format!("role {}", quote_ident(&role.name)),
        format!(
            "it is there already, {}, and stays as it is",
            differences.join(" and ")
        ),
    ))
}

fn compare_extensions(look: &mut Look, catalog: &Catalog) {
    for extension in &catalog.extensions {
        let name = &extension.name;
        match look.server.extensions.get(name) {
            None => look.findings.push(Trouble::new(
                format!("extension {name} {}", extension.version),
                "the target's server does not have it: what needs it will be missing; \
                 install its package first",
            )),
            Some(version) if *version != extension.version => look.findings.push(Trouble::new(
                format!("extension {name}"),
                format!("version {version} instead of {}", extension.version),
            )),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::fixture;

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
