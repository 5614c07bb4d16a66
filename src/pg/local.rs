//! What runs on this machine: PostgreSQL's own tools, and throwaway servers for drills.

pub mod drill_server;
pub mod scratch;
pub mod throwaway;
pub mod tools;
