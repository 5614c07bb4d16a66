//! Data that every floor shares: no I/O here.

pub mod attestation;
pub mod catalog;
pub mod databases;
pub mod digest;
#[cfg(test)]
pub(crate) mod fixture;
pub mod id;
pub mod keys;
pub mod lock;
pub mod manifest;
pub mod snapshot;
