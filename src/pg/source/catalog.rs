//! What the catalog says, read inside the exported snapshot. Everything that is not a row of a user
//! table and not in pg_dump's archive is gathered here.

mod constraints;
mod database;
mod not_covered;
mod roles;
mod tables;
mod views;

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
