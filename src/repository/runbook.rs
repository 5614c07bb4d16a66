//! What lies beside the data for the day on which lifeboat is not at hand: the runbook, the script
//! that restores with stock tools, and the files that the script reads. Pure functions.

mod page;
mod plan;
mod sql;

pub use page::script;
pub(crate) use page::{RepositoryAccess, restore_md};
pub(crate) use plan::plan;
pub(crate) use sql::{data_sql, last_sql, roles_sql};
