//! What lies beside the data for the day on which lifeboat is not at hand: the runbook, the script
//! that restores with stock tools, and the files that the script reads. Pure functions.

mod page;
mod plan;
mod sql;

pub use page::restore_md;
pub use plan::plan;
pub use sql::{data_sql, last_sql, roles_sql};

/// `restore.sh`: the same for every restore point of one version of lifeboat, so that its SHA-256
/// can be printed on the break-glass sheet.
pub fn script() -> &'static str {
    include_str!("runbook/restore.sh")
}
