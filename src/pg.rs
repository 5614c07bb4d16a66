//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres.

pub mod catalog;
pub mod conninfo;
pub mod dump;
pub mod names;
pub mod reader;
pub mod session;
pub mod slice;
pub mod snapshot;
pub mod statements;
pub mod tls;
pub mod tools;
pub mod watch;
