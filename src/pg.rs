//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres.

pub mod conninfo;
pub mod session;
pub mod statements;
pub mod tls;
pub mod tools;
