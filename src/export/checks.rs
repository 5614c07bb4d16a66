//! What must hold before a row is read.

use crate::error::{Error, Kind, Result};
use crate::model::catalog::NotCoveredNames;
use crate::pg::local::tools::ToolPath;
use crate::pg::session::Session;
use crate::pg::source::catalog::{self, Instance, SourceTable};
use crate::repository::MAX_TABLES;

/// A release fixes what earlier ones write wrongly, and knows what those of other majors that came with it note in
/// their catalogs.
pub(super) fn stale_pg_dump(pg_dump: &ToolPath, server_version_num: u32) -> Option<String> {
    let (major, minor) = (server_version_num / 10_000, server_version_num % 10_000);
    let released = |major, minor| Some(first_with_15(major)? + i64::from(minor));
    let tool_minor: u32 = pg_dump.version.split('.').nth(1)?.parse().ok()?;
    let is_older = match pg_dump.major == major {
        true => tool_minor < minor,
        false => released(pg_dump.major, tool_minor)? < released(major, minor)?,
    };
    is_older.then(|| {
        format!(
            "{} is {}, older than the server's {major}.{minor}: update it, or a restore may stumble over its schema",
            pg_dump.path.display(),
            pg_dump.version,
        )
    })
}

/// All majors are released on the same days: the minor release of 15 of the day on which this major's .0 would have
/// been.
fn first_with_15(major: u32) -> Option<i64> {
    Some(match major {
        14 => -5,
        15 => 0,
        16 => 4,
        17 => 8,
        18 => 14,
        _ => return None,
    })
}

/// A manifest names every table. Checked before a night's work, not after it.
pub(super) fn table_count(tables: usize) -> Result<()> {
    if tables <= MAX_TABLES {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{tables} tables are more than the {MAX_TABLES} that one restore point can name"
    ))
    .hint("split the database"))
}

/// Each table is locked twice, by us and by pg_dump, partitioned ones too; each of the `others`, sequences and
/// views, once. An application must still find its own locks.
pub(super) fn lock_slots(instance: &Instance, tables: u64, others: u64, jobs: usize) -> Result<()> {
    let slots = instance.max_locks_per_transaction * instance.lock_owners;
    let needed = 2 * tables + others + jobs as u64;
    let free = slots.saturating_sub(instance.locks_held);
    if free >= needed + slots / 4 {
        return Ok(());
    }
    // A quarter stays free: what is used is three quarters at most.
    let wanted = ((needed + instance.locks_held) * 4).div_ceil(3 * instance.lock_owners.max(1));
    Err(Error::refused(format!(
        "{tables} tables, {others} sequences and views need {needed} lock slots; {free} of {slots} are free, and \
         a quarter must stay free",
    ))
    .hint(format!(
        "set max_locks_per_transaction to {} (it is {}) and restart the server",
        wanted.next_multiple_of(64),
        instance.max_locks_per_transaction
    )))
}

/// Counts them, and refuses where some may not be read.
pub(super) async fn large_objects(session: &Session) -> Result<u64> {
    let count = catalog::count_large_objects(session).await?;
    if count == 0 {
        return Ok(0);
    }
    let unreadable = catalog::unreadable_large_objects(session).await?;
    if unreadable == 0 {
        return Ok(count);
    }
    let what = format!("{unreadable} of {count} large objects may not be read by this user");
    Err(Error::new(Kind::Denied, what).hint("pg_read_all_data does not cover them: GRANT SELECT ON LARGE OBJECT, or make the user a member of their owners"))
}

/// The tables that hold rows we can read, and what is left out.
pub(super) fn readable(
    tables: &[SourceTable],
    instance: &Instance,
) -> (Vec<SourceTable>, Option<NotCoveredNames>) {
    let with_rows = tables.iter().filter(|source| !source.partitioned);
    // A standby has no rows of unlogged tables.
    let (read, left): (Vec<_>, Vec<_>) = with_rows
        .cloned()
        .partition(|source| !(instance.in_recovery && source.unlogged));
    let names = left.iter().map(|source| source.table.name.to_string());
    let left = (!left.is_empty()).then(|| NotCoveredNames {
        kind: "unlogged tables of a standby".to_owned(),
        names: names.collect(),
    });
    (read, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::local::tools::Tool;

    #[test]
    fn more_tables_than_a_manifest_can_name_are_refused() {
        assert!(table_count(MAX_TABLES).is_ok());
        let error = table_count(MAX_TABLES + 1).err().unwrap();
        assert!(error.to_string().contains("250001 tables"), "{error}");
    }

    #[test]
    fn a_pg_dump_older_than_its_server_is_named() {
        let pg_dump = |major, version: &str| ToolPath {
            tool: Tool::PgDump,
            path: "/x/pg_dump".into(),
            major,
            version: version.to_owned(),
        };
        assert!(stale_pg_dump(&pg_dump(15, "15.4"), 150_020).is_some());
        assert_eq!(stale_pg_dump(&pg_dump(15, "15.20"), 150_020), None);
        assert_eq!(stale_pg_dump(&pg_dump(18, "18.6"), 150_020), None);
        assert!(stale_pg_dump(&pg_dump(18, "18.4"), 150_020).is_some());
        assert_eq!(stale_pg_dump(&pg_dump(17, "17.9"), 140_022), None);
        assert_eq!(stale_pg_dump(&pg_dump(99, "99.1"), 150_020), None);
        assert_eq!(stale_pg_dump(&pg_dump(18, "18beta1"), 180_000), None);
    }
}
