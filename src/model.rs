//! Data that every floor shares: no I/O here.

pub(crate) mod absent;
pub(crate) mod attestation;
pub(crate) mod catalog;
pub(crate) mod choice;
pub(crate) mod databases;
pub(crate) mod deal;
pub(crate) mod definitions;
pub(crate) mod digest;
pub(crate) mod finding;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod id;
pub(crate) mod incomparable;
pub(crate) mod keys;
pub(crate) mod left_out;
pub(crate) mod lock;
pub(crate) mod manifest;
pub(crate) mod name;
pub(crate) mod pattern;
pub(crate) mod rows;
pub(crate) mod run;
pub(crate) mod selection;
pub(crate) mod size;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod table_change;
pub(crate) mod table_digest;
