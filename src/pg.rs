//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres. Each folder is one side of a connection.

pub mod connect;
pub mod local;
pub mod session;
pub mod source;
pub mod target;
