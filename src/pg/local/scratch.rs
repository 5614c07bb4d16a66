//! A database that is ours to remove, on somebody's server, with the roles that came with it.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::quote::quote_ident;

/// The server's roles by name.
pub(crate) async fn roles(server: &Server) -> Result<BTreeSet<String>> {
    let session = Session::connect(server, "lifeboat drill", Purpose::Query).await?;
    let roles = session
        .rows("SELECT rolname FROM pg_roles", "listing roles")
        .await?;
    session.close().await;
    Ok(roles)
}

/// Ends the sessions of the database, removes it, then the roles. `server` leads to another
/// database. A database that is not there is no error.
pub(crate) async fn remove(server: &Server, database: &str, roles: &[String]) -> Result<()> {
    let session = Session::connect(server, "lifeboat drill", Purpose::Write).await?;
    let mut statements = vec![format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        quote_ident(database)
    )];
    for role in roles {
        statements.push(format!("DROP ROLE IF EXISTS {}", quote_ident(role)));
    }
    for statement in statements {
        session.execute(&statement, &statement).await?;
    }
    session.close().await;
    Ok(())
}
