//! Everything that can be known before the first change, at once.

use crate::error::{Error, Kind, Result};
use crate::model::catalog::{Catalog, Database};
use crate::model::manifest::Manifest;
use crate::pg::conninfo::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::{DatabaseFacts, ServerFacts};
use crate::pg::tools::{self, Tool, ToolPath};

use super::report::{Trouble, shown};
use super::selection::{self, Selection};
use super::{Means, Options};

/// What was found out about the target.
pub struct Look {
    pub server: ServerFacts,
    /// `None`: the database is to be made.
    pub database: Option<DatabaseFacts>,
    pub pg_restore: Option<ToolPath>,
    /// A restore would refuse.
    pub problems: Vec<String>,
    /// A restore would go on without.
    pub findings: Vec<Trouble>,
}

impl Look {
    /// A restore of this point began here and did not end.
    pub fn is_unfinished(&self) -> bool {
        self.database
            .as_ref()
            .is_some_and(|facts| facts.unfinished.is_some())
    }

    /// All problems as one error; nothing was changed yet.
    pub fn check(&self, target: &Server) -> Result<()> {
        match self.problems.as_slice() {
            [] => Ok(()),
            [only] => Err(Error::refused(format!("{target}: {only}"))
                .hint("nothing was changed; --dry-run shows all that a restore would meet")),
            many => Err(Error::refused(format!(
                "{target}: {} problems: {}",
                many.len(),
                many.join("; ")
            ))
            .hint("nothing was changed; --dry-run shows all that a restore would meet")),
        }
    }
}

/// Asks the target and compares.
pub async fn look(
    means: &Means<'_>,
    options: &Options,
    target: &Server,
    catalog: &Catalog,
    selection: &Selection,
) -> Result<Look> {
    let manifest = &means.point.manifest;
    let (session, there) = connect(target, options.create).await?;
    let server = ServerFacts::read(&session).await?;
    let database = if there {
        Some(DatabaseFacts::read(&session).await?)
    } else {
        None
    };
    session.close().await;
    let major = server.rights.version_num / 10_000;
    let pg_restore = tools::find(
        Tool::PgRestore,
        major.max(manifest.pg_dump_major),
        true,
        &options.tool_dirs,
    );
    let mut look = Look {
        server,
        database,
        problems: selection.problems.clone(),
        findings: Vec::new(),
        pg_restore: None,
    };
    match pg_restore {
        Ok(tool) => look.pg_restore = Some(tool),
        Err(error) => look.problems.push(error.chain()),
    }
    compare_servers(&mut look, manifest, catalog, options);
    match look.database.clone() {
        Some(facts) => compare_databases(&mut look, &facts, means, options, &catalog.database),
        None => compare_new(&mut look, &catalog.database),
    }
    Ok(look)
}

/// A session in the target database, or next to it where it is to be made.
async fn connect(target: &Server, create: bool) -> Result<(Session, bool)> {
    let application = "lifeboat restore";
    let missing = match Session::connect(target, application, Purpose::Write).await {
        Ok(session) => return Ok((session, true)),
        Err(error) if error.kind() == Kind::NotFound => error,
        Err(error) => return Err(error),
    };
    if !create {
        return Err(missing.hint("--create makes the database"));
    }
    let beside = target.with_database("postgres");
    let session = match Session::connect(&beside, application, Purpose::Write).await {
        Err(error) if error.kind() == Kind::NotFound => {
            Session::connect(
                &target.with_database("template1"),
                application,
                Purpose::Write,
            )
            .await?
        }
        other => other?,
    };
    Ok((session, false))
}

fn compare_servers(look: &mut Look, manifest: &Manifest, catalog: &Catalog, options: &Options) {
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
    let missing: Vec<String> = catalog
        .roles
        .iter()
        .map(|role| role.name.clone())
        .filter(|role| !look.server.roles.contains(role))
        .collect();
    let may_create = rights.superuser || rights.create_role;
    if !missing.is_empty() && !may_create {
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
    if !rights.superuser && !look.server.inherits && rights.version_num < 160_000 {
        look.problems.push(format!(
            "user {} is NOINHERIT: it cannot hand objects to their owners and go on filling them",
            look.server.user
        ));
    }
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

fn compare_databases(
    look: &mut Look,
    facts: &DatabaseFacts,
    means: &Means<'_>,
    options: &Options,
    source: &Database,
) {
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
    if facts.encoding != source.encoding {
        look.problems.push(format!(
            "its encoding is {}, the backup's {}: --create makes a database that fits",
            facts.encoding, source.encoding
        ));
    }
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

fn compare_new(look: &mut Look, source: &Database) {
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
