//! RDS: instances and clusters in one shape, one small function a call. The SDK's types do not leave
//! this folder.

#[macro_use]
mod call;
mod client;
mod convert;
mod create;
mod groups;
mod settings;
mod snapshots;
mod state;

pub(crate) use client::Rds;
pub(crate) use create::{NewDb, NewMember};
pub(crate) use snapshots::{Snapshot, SnapshotFilter};
pub(crate) use state::{DbState, Guards};
