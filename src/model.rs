//! Data that every floor shares: no I/O here.

pub mod attestation;
pub mod catalog;
pub mod databases;
pub mod digest;
pub mod id;
pub mod keys;
pub mod lock;
pub mod manifest;
pub mod snapshot;
