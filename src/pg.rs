//! PostgreSQL: sessions, catalog, COPY, and PostgreSQL's own tools. Nothing else knows
//! tokio-postgres. Each folder is one side of a connection.

pub(crate) mod connect;
pub(crate) mod definitions;
pub(crate) mod local;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod target;
