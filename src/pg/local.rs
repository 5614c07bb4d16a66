//! What runs on this machine: PostgreSQL's own tools, and throwaway servers for drills.

pub(crate) mod drill_server;
pub(crate) mod throwaway;
pub(crate) mod tools;
