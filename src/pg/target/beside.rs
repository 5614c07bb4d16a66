//! A schema beside what a database holds already: what is to be known before it is made, and the statements
//! that make it. Nothing here locks, changes or drops what is there.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::catalog::Name;
use crate::model::definitions::Definition;
use crate::pg::definitions;
use crate::pg::session::{Session, from_row};
use crate::pg::target::statements::Statement;
use crate::quote::{quote_ident, quote_literal};

/// Commands for which an event trigger may fire.
const COMMANDS: &str = "'CREATE SCHEMA', 'CREATE TABLE', 'REVOKE', 'ALTER TABLE', 'CREATE INDEX'";

/// The database as it is.
pub(crate) struct Beside {
    pub user: String,
    pub may_create: bool,
    pub schema_exists: bool,
    pub in_recovery: bool,
    pub encoding: String,
    /// Enabled ones that may refuse, or do more than we ask for.
    pub event_triggers: Vec<String>,
    /// Publications of all tables: a logged one would be in them at once.
    pub publications: Vec<String>,
    /// Who gets rights on what the user makes, by default privileges; quoted, or PUBLIC.
    pub grantees: Vec<String>,
    types: Vec<Definition>,
    domain_constraints: BTreeSet<Definition>,
}

impl Beside {
    pub(crate) async fn read(session: &Session, schema: &str) -> Result<Self> {
        let what = "cannot read what the target holds";
        let (user, may_create, schema_exists, in_recovery): (String, bool, bool, bool) = session
            .row(
                &format!(
                    "SELECT current_user::text,
                            pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
                            EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}),
                            pg_catalog.pg_is_in_recovery()",
                    quote_literal(schema)
                ),
                what,
            )
            .await?;
        let triggers = format!(
            "SELECT evtname::text FROM pg_catalog.pg_event_trigger
              WHERE evtenabled IN ('O', 'A') AND evtevent IN ('ddl_command_start', 'ddl_command_end')
                AND (evttags IS NULL OR evttags && ARRAY[{COMMANDS}]) ORDER BY 1"
        );
        let publications =
            "SELECT pubname::text FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1";
        let grantees = "
          SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC'
                               ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
            FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
           WHERE d.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
             AND d.defaclobjtype IN ('r', 'n') AND a.grantee <> d.defaclrole ORDER BY 1";
        Ok(Self {
            user,
            may_create,
            schema_exists,
            in_recovery,
            encoding: session.server_encoding.clone(),
            event_triggers: session.rows(&triggers, what).await?,
            publications: session.rows(publications, what).await?,
            grantees: session.rows(grantees, what).await?,
            types: definitions_of(session, "type").await?,
            domain_constraints: definitions_of(session, "domain constraint")
                .await?
                .into_iter()
                .collect(),
        })
    }

    /// How the target defines a type of its own.
    pub(crate) fn type_text(&self, name: &[String]) -> Option<&str> {
        let found = self.types.iter().find(|one| one.name == name);
        found.map(|one| one.text.as_str())
    }

    /// Constraints of a domain.
    pub(crate) fn constraints_of<'a>(
        &'a self,
        name: &'a [String],
    ) -> impl Iterator<Item = &'a Definition> {
        let all = self.domain_constraints.iter();
        all.filter(move |one| one.name.starts_with(name))
    }
}

async fn definitions_of(session: &Session, kind: &str) -> Result<Vec<Definition>> {
    let sql = definitions::statement(kind, session.server_version_num);
    let sql = sql.ok_or_else(|| Error::failed(format!("no query of kind {kind}")))?;
    session.rows(&sql, "cannot read the target's types").await
}

/// What the target takes the text of a type for; of an array its elements' type.
pub(crate) struct FoundType {
    pub schema: String,
    pub name: String,
    /// Its extension, with the version.
    pub extension: Option<String>,
    pub version: Option<String>,
}

from_row!(FoundType: schema, name, extension, version);

/// `None`: there is none, or the text is no name of a type.
pub(crate) async fn find_type(session: &Session, text: &str) -> Result<Option<FoundType>> {
    let sql = format!(
        "SELECT n.nspname::text, b.typname::text, e.extname::text, e.extversion::text
           FROM pg_catalog.pg_type t
           LEFT JOIN pg_catalog.pg_type element ON element.typarray = t.oid
           JOIN pg_catalog.pg_type b ON b.oid = coalesce(element.oid, t.oid)
           JOIN pg_catalog.pg_namespace n ON n.oid = b.typnamespace
           LEFT JOIN pg_catalog.pg_depend d ON d.deptype = 'e' AND d.objid = b.oid
             AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
           LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
          WHERE t.oid = pg_catalog.to_regtype({})",
        quote_literal(text)
    );
    let found: Result<Vec<FoundType>> = session.rows(&sql, "cannot look up a type").await;
    match found {
        Err(error) if error.ends_all() || session.is_closed() => Err(error),
        Err(_) => Ok(None),
        Ok(found) => Ok(found.into_iter().next()),
    }
}

/// Whether PostgreSQL itself has a collation of this name.
pub(crate) async fn has_collation(session: &Session, text: &str) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_collation
                         WHERE oid = pg_catalog.to_regcollation({})
                           AND collnamespace = 'pg_catalog'::pg_catalog.regnamespace)",
        quote_literal(text)
    );
    match session.row(&sql, "cannot look up a collation").await {
        Err(error) if error.ends_all() || session.is_closed() => Err(error),
        Err(_) => Ok(false),
        found => found,
    }
}

/// A column of a table that is there.
pub(crate) struct TargetColumn {
    pub name: String,
    pub data_type: String,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub always: bool,
}

from_row!(TargetColumn: name, data_type, always);

/// Columns of a table that can be written; none where there is no such table.
pub(crate) async fn columns(session: &Session, table: &Name) -> Result<Vec<TargetColumn>> {
    let sql = format!(
        "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attidentity = 'a'
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
          WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ('r', 'p')
            AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum",
        quote_literal(&table.schema),
        quote_literal(&table.name)
    );
    let what = format!("cannot read the columns of {table}");
    session.rows(&sql, &what).await
}

/// Makes the schema, for its owner alone.
pub(crate) fn create_schema(schema: &str, grantees: &[String]) -> Vec<Statement> {
    let quoted = quote_ident(schema);
    let about = format!("schema {quoted}");
    vec![
        Statement::new(&about, format!("CREATE SCHEMA {quoted}")),
        Statement::new(&about, revoke(&format!("SCHEMA {quoted}"), grantees)),
    ]
}

/// Of a table that `create` makes.
pub(crate) fn create_table(table: &Name, create: String, grantees: &[String]) -> Vec<Statement> {
    let about = format!("table {table}");
    let revoke = revoke(&format!("TABLE {}", table.quoted()), grantees);
    vec![
        Statement::new(&about, create),
        Statement::new(&about, revoke),
    ]
}

fn revoke(what: &str, grantees: &[String]) -> String {
    let named = grantees.iter().filter(|one| *one != "PUBLIC");
    let from: Vec<&str> = std::iter::once("PUBLIC")
        .chain(named.map(String::as_str))
        .collect();
    format!("REVOKE ALL ON {what} FROM {}", from.join(", "))
}

/// Makes all in one transaction. Where anybody but the owner could read it in the end, nothing is made.
pub(crate) async fn make(session: &Session, schema: &str, statements: &[Statement]) -> Result<()> {
    let what = format!("cannot make schema {}", quote_ident(schema));
    session.execute("BEGIN", &what).await?;
    for Statement { about, sql } in statements {
        session.execute(sql, about).await?;
    }
    let name = quote_literal(schema);
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM (
           SELECT nspacl, nspowner FROM pg_catalog.pg_namespace WHERE nspname = {name}
           UNION ALL
           SELECT c.relacl, c.relowner FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {name}) o(acl, owner),
           pg_catalog.aclexplode(o.acl) a WHERE a.grantee <> o.owner"
    );
    let others: i64 = session.row(&sql, &what).await?;
    if others > 0 {
        return Err(Error::refused(format!(
            "{what}: others than its owner have rights on it by default, and REVOKE did not take them"
        ))
        .hint("an event trigger may give them: disable it, or use another user"));
    }
    session.execute("COMMIT", &what).await
}
