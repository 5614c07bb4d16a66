//! How to reach a server: connection strings, passwords, TLS.

pub mod conninfo;
pub mod tls;
