//! What a restore writes, and reads back to compare.

pub mod answer;
pub mod apply;
pub mod archive;
pub mod database;
pub mod foreign;
pub mod large_objects;
pub mod load;
pub mod reread;
pub mod resume_state;
pub mod scene;
pub mod server;
pub mod statements;
pub mod toc;
