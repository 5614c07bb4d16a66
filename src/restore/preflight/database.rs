//! The database to restore into against that of the backup.

use super::check::TargetCheck;
use crate::escape;
use crate::model::catalog::{Database, Extension};
use crate::pg::target::database::DatabaseFacts;
use crate::quote::quote_ident;
use crate::restore::report::shown;
use crate::restore::run::Inputs;

/// Why nothing may be written into a database: what it holds is neither nothing nor our own
/// unfinished restore of this point.
pub(crate) fn occupied(facts: &DatabaseFacts, inputs: Inputs<'_>) -> Option<String> {
    let point = inputs.point;
    let Some(unfinished) = &facts.unfinished else {
        let what = shown(&facts.occupied);
        return (!facts.occupied.is_empty())
            .then(|| format!("the target is not empty: it holds {what}"));
    };
    let held = "the target holds an unfinished restore of";
    let same_id = unfinished.id == point.manifest.id.as_str();
    if !same_id || unfinished.manifest_sha256 != point.body_sha256.to_string() {
        let id = unfinished.id.escape_debug();
        return Some(format!("{held} another point, {id}"));
    }
    if !inputs.options.resume {
        return Some(format!("{held} this point: --resume goes on with it"));
    }
    let now = inputs.options.choice();
    if unfinished.choice.as_deref() == Some(&now) {
        return None;
    }
    let named = |choice: &str| match choice {
        "" => "everything".to_owned(),
        choice => choice.escape_debug().to_string(),
    };
    Some(format!(
        "its unfinished restore began with {}, not with {}: --resume needs the same",
        named(unfinished.choice.as_deref().unwrap_or("another version")),
        named(&now)
    ))
}

pub(super) fn compare(check: &mut TargetCheck, facts: &DatabaseFacts, inputs: Inputs<'_>) {
    let (catalog, options) = (inputs.catalog, inputs.options);
    let source = &catalog.database;
    check.problems.extend(occupied(facts, inputs));
    if facts.unfinished.is_none() && facts.occupied.is_empty() {
        // Both: made if it is not there, gone on with if it is.
        if options.create && !options.resume {
            check.add_problem(
                "--create: the database exists already; leave --create out to restore into it",
            );
        } else if options.resume && !options.create {
            check.add_problem("--resume: no restore began in it; leave --resume out");
        }
    }
    // An unfinished restore may have given the database to its owner.
    if !facts.may_create && facts.unfinished.is_none() {
        let user = &check.server.user;
        check.add_problem(format!("user {user} may not make schemas in it"));
    }
    let mut tables = catalog.tables.iter();
    if !facts.has_public && tables.any(|table| table.name.schema == "public") {
        check.add_problem("it has no schema public, which no archive makes: CREATE SCHEMA public");
    }
    if facts.encoding != source.encoding {
        check.add_problem(format!(
            "its encoding is {}, the backup's {}: --create makes a database that fits",
            facts.encoding, source.encoding
        ));
    }
    compare_locales(check, facts, source);
    compare_extensions(check, facts, &catalog.extensions);
    if facts.unfinished.is_none() {
        for what in &facts.altered {
            check.add_finding(
                format!("privileges of the {what}"),
                "somebody changed them in the target: what the backup does not set stays changed",
            );
        }
    }
}

/// One that is there stays where it is, and what the backup names in its schema would not be found.
fn compare_extensions(check: &mut TargetCheck, facts: &DatabaseFacts, wanted: &[Extension]) {
    if facts.unfinished.is_some() {
        return;
    }
    for Extension { name, schema, .. } in wanted {
        let Some(found) = facts.extensions.get(name).filter(|found| *found != schema) else {
            continue;
        };
        check.add_problem(format!(
            "extension {} is in schema {}, in the backup in {}: DROP EXTENSION {}, and the restore makes it where \
             it was",
            escape::name(name),
            escape::name(found),
            escape::name(schema),
            quote_ident(name)
        ));
    }
}

fn compare_locales(check: &mut TargetCheck, facts: &DatabaseFacts, source: &Database) {
    let locale = |provider: &str, collate: &str, ctype: &str, locale: &Option<String>| {
        let name = match provider {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        let locale = locale.as_deref().unwrap_or_default();
        format!("{name} {collate} {ctype} {locale}")
            .trim_end()
            .to_owned()
    };
    let found = locale(
        &facts.locale_provider,
        &facts.collate,
        &facts.ctype,
        &facts.locale,
    );
    let wanted = locale(
        &source.locale_provider,
        &source.collate,
        &source.ctype,
        &source.locale,
    );
    if found != wanted {
        check.add_finding(
            "locale of the database",
            format!("{found} instead of {wanted}: texts sort and compare otherwise"),
        );
    } else if let (Some(now), Some(then)) = (&facts.collation_version, &source.collation_version)
        && now != then
    {
        check.add_finding(
            "collation version of the database",
            format!("{now} instead of {then}: texts may sort otherwise; indexes are built anew"),
        );
    }
}

pub(super) fn compare_new(check: &mut TargetCheck, source: &Database) {
    let rights = check.server.rights;
    if !rights.superuser && !rights.create_db {
        let user = &check.server.user;
        check.add_problem(format!("--create: user {user} may not make databases"));
    }
    let needed = match source.locale_provider.as_str() {
        "i" => 15,
        "b" => 17,
        _ => 0,
    };
    if rights.version_num / 10_000 < needed {
        check.add_problem(format!(
            "--create: the backup's locale provider exists from PostgreSQL {needed} on"
        ));
    }
}
