//! What an export reads: the snapshot, the catalog, rows by slice, the schema by pg_dump.

pub(crate) mod blocked;
pub(crate) mod catalog;
pub(crate) mod dump;
pub(crate) mod left_out;
pub(crate) mod live;
pub(crate) mod moment;
pub(crate) mod reader;
pub(crate) mod slice;
pub(crate) mod snapshot;
pub(crate) mod turn;
