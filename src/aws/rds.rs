//! RDS: instances and clusters in one shape, one small function a call. The SDK's types do not leave
//! this folder.

#[macro_use]
mod call;
mod client;
mod convert;
mod create;
mod groups;
mod guards;
mod lifecycle;
mod settings;
mod snapshot;
mod snapshots;
mod state;

pub(crate) use client::Rds;
pub(crate) use create::{NewCluster, NewInstance, NewMember};
pub(crate) use groups::NewParameterGroup;
pub(crate) use guards::Guards;
pub(crate) use snapshot::Snapshot;
pub(crate) use snapshots::{Reason, SnapshotError, SnapshotFilter};
pub(crate) use state::DbState;
