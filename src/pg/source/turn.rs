//! Of two exports of one database at the same time the second gives way: each would store what the other does.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::digest::Sha256;
use crate::pg::session::Session;

/// That of an export that was killed ends a moment later.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(250);

/// Takes the turn of `one`, which says what is exported where to, for as long as the session lives. Returns a finding
/// where another role holds it: anybody who may connect can, and must not keep backups from being made.
pub(crate) async fn take(session: &Session, database: &str, one: &str) -> Result<Option<String>> {
    let what = "cannot ask whether another export is under way";
    // Where this machine vanishes, the server would keep the turn for hours.
    let keepalives = "SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 15; SET tcp_keepalives_count = 4";
    session.execute(keepalives, what).await?;
    let number = number_of(one);
    let take = format!("SELECT pg_catalog.pg_try_advisory_lock({number})");
    for _ in 0..ATTEMPTS {
        if session.row(&take, what).await? {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    // An advisory lock of one number shows its halves.
    let holder = format!(
        "SELECT coalesce((
           SELECT a.application_name || ', process ' || a.pid FROM pg_catalog.pg_locks AS l
             JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
              AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                 WHERE datname = pg_catalog.current_database())
              AND (l.classid::bigint << 32) | l.objid::bigint = {number}
              AND a.usesysid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)
            LIMIT 1), '')"
    );
    let holder: String = session.row(&holder, what).await?;
    if holder.is_empty() {
        return Ok(Some(format!(
            "database {database}: another role holds the lock by which exports give way to each other: whether one is under way is not known"
        )));
    }
    Err(Error::refused(format!(
        "another export of database {database} into this repository is under way: {holder}"
    ))
    .hint("this one gave way; where that one hangs, end its sessions"))
}

fn number_of(one: &str) -> i64 {
    let hash = Sha256::of(format!("lifeboat export {one}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    i64::from_be_bytes(first)
}
