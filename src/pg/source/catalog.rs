//! What the catalog says, read inside the exported snapshot. Everything that is not a row of a user
//! table and not in pg_dump's archive is gathered here.

mod constraints;
mod database;
mod not_covered;
mod roles;
mod tables;
mod views;

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::catalog::{Catalog, LargeObjects, LeftOut};
use crate::model::digest::RowDigest;
use crate::pg::session::Session;

pub(crate) use constraints::read_constraints;
pub(crate) use database::{
    Instance, InstanceDatabase, databases, is_bare, locale_columns, read_casts, read_database,
    read_extensions, read_instance,
};
pub(crate) use not_covered::read_not_covered;
pub(crate) use roles::{read_memberships, read_parameter_privileges, read_roles};
pub(in crate::pg::source) use tables::THROUGH_ROOT;
pub(crate) use tables::{
    LockTarget, RESUME_STATE_SCHEMA, SourceTable, count_sequences_and_views, find_rewritten,
    lock_targets, read_tables,
};
pub(crate) use views::{
    count_large_objects, read_materialized_views, read_sequences, unreadable_large_objects,
};

/// Reads all that is neither a row nor a definition, in one transaction. Digests are still empty.
pub(crate) async fn read_catalog(
    session: &Session,
    tables: &[SourceTable],
    left_out: &BTreeSet<u32>,
) -> Result<Catalog> {
    let none = RowDigest::default();
    Ok(Catalog {
        database: read_database(session).await?,
        roles: read_roles(session).await?,
        memberships: read_memberships(session).await?,
        parameter_privileges: read_parameter_privileges(session).await?,
        extensions: read_extensions(session).await?,
        casts: read_casts(session).await?,
        tables: tables.iter().map(|source| source.table.clone()).collect(),
        sequences: read_sequences(session, left_out).await?,
        constraints: read_constraints(session).await?,
        materialized_views: read_materialized_views(session).await?,
        large_objects: LargeObjects {
            pages: none,
            properties: none,
        },
        not_covered: read_not_covered(session).await?,
        left_out: LeftOut::default(),
        definitions: None,
        columns_full: Vec::new(),
        money_in_c: true,
    })
}
