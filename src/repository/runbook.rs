//! What lies beside the data for the day on which lifeboat is not at hand: the runbook, the script
//! that restores with stock tools, and the files that the script reads. Pure functions.

mod page;
mod plan;
mod sql;

pub use page::{RepositoryAccess, restore_md, script};
pub use plan::plan;
pub use sql::{data_sql, last_sql, roles_sql};
