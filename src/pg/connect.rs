//! How to reach a server: connection strings, passwords, TLS.

pub(crate) mod conninfo;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod tool_env;
