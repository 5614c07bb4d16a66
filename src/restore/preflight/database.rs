//! The database to restore into against that of the backup.

use super::Look;
use crate::model::catalog::{Catalog, Database};
use crate::pg::target::database::DatabaseFacts;
use crate::restore::report::{Trouble, shown};
use crate::restore::{Means, Options, selection};

/// Why nothing may be written into a database: what it holds is neither nothing nor our own
/// unfinished restore of this point.
pub fn held(facts: &DatabaseFacts, means: &Means<'_>, options: &Options) -> Option<String> {
    let point = means.point;
    match &facts.unfinished {
        Some(unfinished)
            if unfinished.id != point.manifest.id.as_str()
                || unfinished.manifest_sha256 != point.body_sha256.to_string() =>
        {
            let id = unfinished.id.escape_debug();
            Some(format!(
                "the target holds an unfinished restore of another point, {id}"
            ))
        }
        Some(_) if !options.resume => Some(
            "the target holds an unfinished restore of this point: --resume goes on with it"
                .to_owned(),
        ),
        Some(unfinished) if unfinished.choice.as_deref() != Some(&selection::choice(options)) => {
            let began = unfinished.choice.as_deref().unwrap_or("another version");
            let began = if began.is_empty() {
                "everything"
            } else {
                began
            };
            let now = selection::choice(options);
            let now = if now.is_empty() { "everything" } else { &now };
            Some(format!(
                "its unfinished restore began with {}, not with {}: --resume needs the same",
                began.escape_debug(),
                now.escape_debug()
            ))
        }
        None if !facts.occupied.is_empty() => {
            let what = shown(&facts.occupied);
            Some(format!("the target is not empty: it holds {what}"))
        }
        _ => None,
    }
}

pub fn compare(
    look: &mut Look,
    facts: &DatabaseFacts,
    means: &Means<'_>,
    options: &Options,
    catalog: &Catalog,
) {
    let source = &catalog.database;
    let uses_public = catalog
        .tables
        .iter()
        .any(|table| table.name.schema == "public");
    look.problems.extend(held(facts, means, options));
    if facts.unfinished.is_none() && facts.occupied.is_empty() {
        let problem = match (options.create, options.resume) {
            (true, false) => {
                "--create: the database exists already; leave --create out to restore into it"
            }
            (false, true) => "--resume: no restore began in it; leave --resume out",
            // Both: made where it is not there, gone on with where it is.
            _ => "",
        };
        let problem = Some(problem).filter(|problem| !problem.is_empty());
        look.problems.extend(problem.map(str::to_owned));
    }
    // An unfinished restore may have given the database to its owner.
    if !facts.may_create && facts.unfinished.is_none() {
        look.problems.push(format!(
            "user {} may not make schemas in it",
            look.server.user
        ));
    }
    if !facts.has_public && uses_public {
        look.problems.push(
            "it has no schema public, which no archive makes: CREATE SCHEMA public".to_owned(),
        );
    }
    if facts.encoding != source.encoding {
        look.problems.push(format!(
            "its encoding is {}, the backup's {}: --create makes a database that fits",
            facts.encoding, source.encoding
        ));
    }
    compare_locales(look, facts, source);
    if facts.unfinished.is_none() {
        for what in &facts.altered {
            look.findings.push(Trouble::new(
                format!("privileges of the {what}"),
                "somebody changed them in the target: what the backup does not set stays changed",
            ));
        }
    }
}

fn compare_locales(look: &mut Look, facts: &DatabaseFacts, source: &Database) {
    let locale = |provider: &str, collate: &str, ctype: &str, locale: Option<&str>| {
        let name = match provider {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        format!("{name} {collate} {ctype} {}", locale.unwrap_or_default())
            .trim_end()
            .to_owned()
    };
    let found = locale(
        &facts.locale_provider,
        &facts.collate,
        &facts.ctype,
        facts.locale.as_deref(),
    );
    let wanted = locale(
        &source.locale_provider,
        &source.collate,
        &source.ctype,
        source.locale.as_deref(),
    );
    if found != wanted {
        look.findings.push(Trouble::new(
            "locale of the database",
            format!("{found} instead of {wanted}: texts sort and compare otherwise"),
        ));
    } else if let (Some(now), Some(then)) = (&facts.collation_version, &source.collation_version)
        && now != then
    {
        look.findings.push(Trouble::new(
            "collation version of the database",
            format!("{now} instead of {then}: texts may sort otherwise; indexes are built anew"),
        ));
    }
}

pub fn compare_new(look: &mut Look, source: &Database) {
    let rights = look.server.rights;
    if !rights.superuser && !rights.create_db {
        look.problems.push(format!(
            "--create: user {} may not make databases",
            look.server.user
        ));
    }
    let major = rights.version_num / 10_000;
    let needed = match source.locale_provider.as_str() {
        "i" => 15,
        "b" => 17,
        _ => 0,
    };
    if major < needed {
        look.problems.push(format!(
            "--create: the backup's locale provider exists from PostgreSQL {needed} on"
        ));
    }
}
