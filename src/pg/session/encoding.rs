//! Which encoding names come and go in. The instance's own names, such as roles', have that of whatever
//! database they were made in: not everything converts.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::quote::quote_literal;

/// All text that databases share.
const SHARED: &str = "
  SELECT rolname::text FROM pg_catalog.pg_roles
  UNION ALL SELECT datname::text FROM pg_catalog.pg_database
  UNION ALL SELECT spcname::text FROM pg_catalog.pg_tablespace
  UNION ALL SELECT subname::text FROM pg_catalog.pg_subscription
  UNION ALL SELECT description FROM pg_catalog.pg_shdescription
  UNION ALL SELECT label FROM pg_catalog.pg_shseclabel
  UNION ALL SELECT pg_catalog.unnest(setconfig) FROM pg_catalog.pg_db_role_setting";

/// Whether all that this database shows of others can be read in UTF8.
pub(super) async fn converts(client: &Client) -> bool {
    const REFUSALS: [SqlState; 2] = [
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        SqlState::UNTRANSLATABLE_CHARACTER,
    ];
    let asked = client.simple_query(SHARED).await;
    // Whatever else is wrong, the next statement says.
    !asked.is_err_and(|error| error.code().is_some_and(|code| REFUSALS.contains(code)))
}

/// From here on bytes pass as the database stores them, in both directions. Takes no snapshot.
pub(super) async fn use_own(client: &Client, encoding: &str) -> Result<(), tokio_postgres::Error> {
    let sql = format!("SET client_encoding = {}", quote_literal(encoding));
    client.batch_execute(&sql).await
}
