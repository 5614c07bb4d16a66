//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres.

pub mod answer;
pub mod apply;
pub mod archive;
pub mod catalog;
pub mod conninfo;
pub mod drill_server;
pub mod dump;
pub mod foreign;
pub mod large_objects;
pub mod ledger;
pub mod load;
pub mod names;
pub mod reader;
pub mod reread;
pub mod resume_state;
pub mod scene;
pub mod scratch;
pub mod session;
pub mod slice;
pub mod snapshot;
pub mod statements;
pub mod target;
pub mod throwaway;
pub mod tls;
pub mod toc;
pub mod tools;
pub mod watch;
