//! Prepares a throwaway server, so that a backup is restored there without superuser: makes the roles,
//! the database and its extensions as the server's superuser, who then cannot log in any more. Nothing of
//! the backup has run by then, and nothing of it runs as this superuser later.

use crate::error::{Error, Result, ResultExt};
use crate::escape::one_line;
use crate::model::attestation::NotTried;
use crate::model::catalog::Catalog;
use crate::model::finding::Finding;
use crate::pg::connect::server::Server;
use crate::pg::local::throwaway::{Logins, login};
use crate::pg::session::{Purpose, Session};
use crate::pg::target::execute;
use crate::pg::target::statements::Statement;
use crate::pg::target::statements::drill::{self, REACHING};
use crate::quote::{quote_ident, quote_idents};

const EXTENSIONS: &str = "cannot read the drill's extensions";
const APPLICATION: &str = "lifeboat drill";

#[derive(Debug)]
pub(crate) struct PreparedDrill {
    /// The drill's database, as the login that runs what comes out of the backup.
    pub restorer: Server,
    /// The same as the login that reads what was restored.
    pub reader: Server,
    /// What could not be made as it was.
    pub findings: Vec<Finding>,
    /// What was left out because it would let the backup out of its server.
    pub not_tried: Vec<NotTried>,
}

/// Prepares the server whose socket lies in `folder`, with a new database of that name.
pub(crate) async fn prepare_drill(
    catalog: &Catalog,
    logins: &Logins,
    folder: &std::path::Path,
    database: &str,
) -> Result<PreparedDrill> {
    let login = |user: &str, database: &str| {
        let mut server = login(folder, user, database)?;
        server.names_are_bytes = Some(catalog.database.names_are_bytes);
        Ok::<_, Error>(server)
    };
    let superuser = |database: &str| login(&logins.superuser, database);
    let mut prepared = PreparedDrill {
        restorer: login(&logins.restorer, database)?,
        reader: login(&logins.reader, database)?,
        findings: Vec::new(),
        not_tried: Vec::new(),
    };
    let session = Session::connect(&superuser("postgres")?, APPLICATION, Purpose::Write).await?;
    let version = session.server_version_num;
    needed(&session, &drill::logins(logins, version)).await?;
    needed(&session, &drill::database(catalog, database, version)).await?;
    session.close().await;
    let session = Session::connect(&superuser(database)?, APPLICATION, Purpose::Write).await?;
    // Names of roles have no encoding of their own: as the new database reads them.
    let roles = drill::roles(catalog, logins, version);
    prepared.note(execute::each(&session, &roles).await?);
    let unnamed = drill::unnamed_roles(catalog).map(|role| NotTried {
        kind: "role".to_owned(),
        name: one_line(&role.name).into_owned(),
    });
    prepared.not_tried.extend(unnamed);
    needed(&session, &drill::handing_over(catalog, logins, database)).await?;
    let rights = drill::new_database_rights(catalog, logins, version);
    needed(&session, &rights).await?;
    needed(&session, &drill::extension_schemas(catalog, logins)).await?;
    extensions(&session, catalog, &mut prepared).await?;
    prepared.note(execute::each(&session, &drill::casts(catalog)).await?);
    needed(&session, &members(&session, logins).await?).await?;
    needed(&session, &drill::last_statements(logins)).await?;
    session.close().await;
    let powerful = drill::powerful_memberships(catalog);
    prepared
        .not_tried
        .extend(powerful.map(NotTried::membership));
    // Some parameters run commands: nobody gets a right on any.
    let on_parameters = catalog.parameter_privileges.iter();
    let not_tried = on_parameters.map(NotTried::parameter_privilege);
    prepared.not_tried.extend(not_tried);
    Ok(prepared)
}

impl PreparedDrill {
    fn note(&mut self, refused: Vec<Finding>) {
        let without_sql = |one: Finding| Finding::new(one.what, one.why);
        self.findings.extend(refused.into_iter().map(without_sql));
    }
}

/// Runs statements without which nothing can be drilled.
async fn needed(session: &Session, statements: &[Statement]) -> Result<()> {
    let done = execute::all(session, statements).await;
    done.context(|| "cannot prepare the drill".to_owned())
}

/// Extensions as they were, else in the version that the machine has. One that is not there at all is
/// found when the server is compared with the backup.
async fn extensions(
    session: &Session,
    catalog: &Catalog,
    prepared: &mut PreparedDrill,
) -> Result<()> {
    let sql = "SELECT name::text FROM pg_catalog.pg_available_extensions";
    let available: Vec<String> = session.rows(sql, EXTENSIONS).await?;
    for extension in &catalog.extensions {
        if !available.contains(&extension.name) {
            continue;
        }
        let exact = execute::each(session, &[drill::extension(extension, true)]).await?;
        if !exact.is_empty() {
            let installed = drill::extension(extension, false);
            prepared.note(execute::each(session, &[installed]).await?);
        }
    }
    Ok(())
}

/// Lets the restoring login fill the extensions' tables and use their foreign data wrappers, and takes
/// from everybody what would act as a superuser or reach other servers. A role that may make triggers on
/// a table to which an extension's code writes as its owner could run code as that owner: only rows are
/// granted.
async fn members(session: &Session, logins: &Logins) -> Result<Vec<Statement>> {
    let restorer = quote_ident(&logins.restorer);
    let both = quote_idents([&logins.restorer, &logins.reader]);
    let member = |class: &str, oid: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND d.objid = {oid}
               AND d.classid = 'pg_catalog.{class}'::pg_catalog.regclass)"
        )
    };
    let sql = format!(
        "SELECT pg_catalog.format('ALTER SCHEMA %I OWNER TO {restorer}', nspname)
           FROM pg_catalog.pg_namespace n
          WHERE n.oid >= 16384 AND n.nspowner = current_user::pg_catalog.regrole
            AND n.nspname !~ '^pg_' AND NOT {schema}
         UNION ALL
         SELECT pg_catalog.format('GRANT USAGE ON SCHEMA %I TO {both}', nspname)
           FROM pg_catalog.pg_namespace n WHERE {schema}
         UNION ALL
         SELECT pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO {restorer}', c.oid::pg_catalog.regclass)
           FROM pg_catalog.pg_class c WHERE relkind IN ('r', 'p', 'v', 'm') AND {class}
         UNION ALL
         SELECT pg_catalog.format('GRANT ALL ON SEQUENCE %s TO {restorer}', c.oid::pg_catalog.regclass)
           FROM pg_catalog.pg_class c WHERE relkind = 'S' AND {class}
         UNION ALL
         SELECT pg_catalog.format('ALTER ROUTINE %s SECURITY INVOKER', p.oid::pg_catalog.regprocedure)
           FROM pg_catalog.pg_proc p WHERE prosecdef AND {routine}
         UNION ALL
         SELECT pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', p.oid::pg_catalog.regprocedure)
           FROM pg_catalog.pg_proc p
           JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
            AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
           JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
          WHERE e.extname IN {REACHING}
         UNION ALL
         SELECT pg_catalog.format('GRANT USAGE ON FOREIGN DATA WRAPPER %I TO {restorer} WITH GRANT OPTION', fdwname)
           FROM pg_catalog.pg_foreign_data_wrapper
         UNION ALL
         -- Who is given a server must be able to make one.
         SELECT pg_catalog.format('GRANT USAGE ON FOREIGN DATA WRAPPER %I TO PUBLIC', fdwname)
           FROM pg_catalog.pg_foreign_data_wrapper",
        schema = member("pg_namespace", "n.oid"),
        class = member("pg_class", "c.oid"),
        routine = member("pg_proc", "p.oid"),
    );
    let statements: Vec<String> = session.rows(&sql, EXTENSIONS).await?;
    let about = "what extensions brought along";
    let statements = statements.into_iter();
    Ok(statements.map(|sql| Statement::new(about, sql)).collect())
}
