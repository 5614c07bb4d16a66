//! How to reach a server: connection strings, passwords, TLS.

pub mod conninfo;
pub mod server;
pub mod tls;
pub mod tool_env;
