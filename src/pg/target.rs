//! What a restore writes, and reads back to compare.

pub(crate) mod archive;
pub(crate) mod beside;
pub(crate) mod checks;
pub(crate) mod database;
pub(crate) mod execute;
pub(crate) mod existing;
pub(crate) mod foreign;
pub(crate) mod large_objects;
pub(crate) mod load;
pub(crate) mod plain_table;
pub(crate) mod prepare_drill;
pub(crate) mod read_back;
pub(crate) mod readiness;
pub(crate) mod resume_state;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod single_value;
pub(crate) mod statements;
pub(crate) mod toc;
