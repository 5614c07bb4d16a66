//! What a restore writes, and reads back to compare.

pub mod archive;
pub mod database;
pub mod execute;
pub mod foreign;
pub mod large_objects;
pub mod load;
pub mod prepare_drill;
pub mod read_back;
pub mod resume_state;
pub mod server;
pub mod single_value;
pub mod statements;
pub mod toc;
