//! A database that is ours to remove, on somebody's server, with the roles that came with it.

use std::collections::BTreeSet;

use crate::error::{Error, Kind, Result};
use crate::model::finding::Finding;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::execute;
use crate::pg::target::statements::Statement;
use crate::quote::{quote_ident, quote_idents, quote_literal};

const APPLICATION: &str = "lifeboat drill";

/// What a database must lose before it can be dropped. Event triggers first: they may refuse the rest. A
/// subscription goes without a word to its publisher, where its slot is the original's.
const DETACH: [&str; 2] = [
    "SELECT pg_catalog.format('event trigger %I', evtname),
            pg_catalog.format('ALTER EVENT TRIGGER %I DISABLE', evtname)
       FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'",
    "SELECT pg_catalog.format('subscription %I', subname),
            pg_catalog.format('ALTER SUBSCRIPTION %1$I DISABLE;
              ALTER SUBSCRIPTION %1$I SET (slot_name = NONE); DROP SUBSCRIPTION %1$I', subname)
       FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
      WHERE d.datname = pg_catalog.current_database()",
];

/// The server's roles by name.
pub(crate) async fn roles(server: &Server) -> Result<BTreeSet<String>> {
    let session = Session::connect(server, APPLICATION, Purpose::Query).await?;
    let roles = session
        .rows("SELECT rolname FROM pg_roles", "listing roles")
        .await?;
    session.close().await;
    Ok(roles)
}

/// Ends the sessions of `database`, removes it, then the roles; `entry` leads to another database. What is
/// not there is no trouble; what the server does not let go is named, with the statement that removes it.
pub(crate) async fn remove(
    entry: &Server,
    database: &Server,
    roles: &[String],
) -> Result<Vec<Finding>> {
    let session = Session::connect(entry, APPLICATION, Purpose::Write).await?;
    let name = &database.database;
    // What is refused of these is found out by what follows.
    execute::each(&session, &open_database(&session, name, roles).await?).await?;
    let detached = detach(database).await;
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_ident(name));
    let drop = Statement::new(format!("database {}", quote_ident(name)), drop);
    let mut left = execute::each(&session, &[drop]).await?;
    if !left.is_empty() {
        // Why it stays.
        left.extend(detached);
    }
    left.extend(drop_roles(&session, roles).await?);
    session.close().await;
    for one in &mut left {
        one.why = format!("it was left on {entry}: {}", one.why);
    }
    Ok(left)
}

/// A database that lets nobody in may go all the same.
async fn detach(database: &Server) -> Vec<Finding> {
    let detached = async {
        let session = Session::connect(database, APPLICATION, Purpose::Write).await?;
        let mut left = Vec::new();
        for listed in DETACH {
            let listed: Vec<(String, String)> = session.rows(listed, "what to detach").await?;
            let statements = listed
                .into_iter()
                .map(|(about, sql)| Statement { sql, about });
            let statements: Vec<Statement> = statements.collect();
            left.extend(execute::each(&session, &statements).await?);
        }
        session.close().await;
        Ok::<_, Error>(left)
    };
    match detached.await {
        Ok(left) => left,
        Err(error) if error.kind() == Kind::NotFound => Vec::new(),
        Err(error) => vec![Finding::new("what is in the database", error.chain())],
    }
}

/// A template is dropped by nobody, and a database only by its owner: by a role of the backup, if that is
/// how it was. Its limit keeps us out as well, and its sessions hold what they work at.
async fn open_database(
    session: &Session,
    database: &str,
    roles: &[String],
) -> Result<Vec<Statement>> {
    let sql = format!(
        "SELECT pg_catalog.pg_has_role(datdba, 'USAGE'), r.rolname
           FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba
          WHERE datname = {}",
        quote_literal(database)
    );
    let there: Vec<(bool, String)> = session.rows(&sql, "the drill's database").await?;
    let name = quote_ident(database);
    let mut statements = Vec::new();
    for (is_ours, owner) in there {
        let mut add =
            |sql: String| statements.push(Statement::new(format!("database {name}"), sql));
        if !is_ours && roles.contains(&owner) {
            let inherits = if session.server_version_num >= 160_000 {
                " WITH INHERIT TRUE"
            } else {
                ""
            };
            add(format!(
                "GRANT {} TO CURRENT_USER{inherits}",
                quote_ident(&owner)
            ));
        }
        add(format!(
            "ALTER DATABASE {name} WITH IS_TEMPLATE false CONNECTION LIMIT -1"
        ));
        add(format!(
            "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid))
               FROM pg_catalog.pg_stat_activity WHERE datname = {}",
            quote_literal(database)
        ));
    }
    Ok(statements)
}

/// In one statement what they granted each other is in nobody's way. Where one has to stay, each other one
/// is tried as long as that helps.
async fn drop_roles(session: &Session, roles: &[String]) -> Result<Vec<Finding>> {
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let all = format!("DROP ROLE IF EXISTS {}", quote_idents(roles));
    let all = Statement::new("roles", all);
    if execute::each(session, &[all]).await?.is_empty() {
        return Ok(Vec::new());
    }
    let names = roles.iter().map(|name| quote_ident(name));
    let alone = |name: String| {
        Statement::new(
            format!("role {name}"),
            format!("DROP ROLE IF EXISTS {name}"),
        )
    };
    let mut statements: Vec<Statement> = names.map(alone).collect();
    loop {
        let refused = execute::each(session, &statements).await?;
        if refused.is_empty() || refused.len() == statements.len() {
            return Ok(refused);
        }
        statements.retain(|one| refused.iter().any(|left| left.what == one.about));
    }
}
