//! What an export reads: the snapshot, the catalog, rows by slice, the schema by pg_dump.

pub mod blocked;
pub mod catalog;
pub mod dump;
pub mod names;
pub mod reader;
pub mod slice;
pub mod snapshot;
