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

pub use client::Rds;
pub use create::{NewCluster, NewInstance, NewMember};
pub use groups::NewParameterGroup;
pub use guards::Guards;
pub use snapshot::Snapshot;
pub use snapshots::{Reason, SnapshotError, SnapshotFilter};
pub use state::DbState;
