//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres.

pub mod archive;
pub mod catalog;
pub mod conninfo;
pub mod dump;
pub mod ledger;
pub mod load;
pub mod names;
pub mod reader;
pub mod session;
pub mod slice;
pub mod snapshot;
pub mod statements;
pub mod tls;
pub mod toc;
pub mod tools;
pub mod watch;
