//! Format v1: which objects make a restore point, and in which order. `FORMAT.md` beside this file
//! says it for a second reader. Nothing else in the house knows keys.

mod announcement;
mod announcements;
mod attest;
mod chosen;
mod commit;
mod consistency;
pub(crate) mod details;
mod envelope;
mod extend;
mod gaps;
mod handle;
mod layout;
mod leftovers;
mod listing;
mod locks;
mod part_list;
mod read;
mod requirements;
mod room;
pub(crate) mod runbook;
mod runs;
mod since_drill;
mod snapshots;
mod tables;

pub(crate) use announcement::Announcement;
pub use attest::Proof;
pub(crate) use attest::{Attestations, History, if_allowed};
pub(crate) use chosen::Selected;
pub(crate) use commit::PointWriter;
pub(crate) use gaps::{Link, missing_points};
pub(crate) use handle::Marker;
pub use handle::Repository;
pub(crate) use layout::{MAX_CATALOG_BYTES, MAX_TABLES, PointPath};
pub(crate) use leftovers::Leftover;
pub(crate) use locks::CLOCK_TOLERANCE;
pub use locks::Locks;
pub(crate) use part_list::PartListReader;
pub(crate) use read::ListedPoint;
pub use read::{PointSelector, RestorePoint};
pub(crate) use requirements::unknown;
pub(crate) use room::{MANIFESTS_AT_A_TIME, Room};
pub(crate) use runs::{RunState, StoredPlan};
pub(crate) use tables::AHEAD_BYTES;
