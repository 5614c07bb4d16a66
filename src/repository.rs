//! Format v1: which objects make a restore point, and in which order. `FORMAT.md` beside this file
//! says it for a second reader. Nothing else in the house knows keys.

mod announcement;
mod announcements;
mod attest;
mod commit;
mod consistency;
pub mod details;
mod envelope;
mod extend;
mod handle;
mod layout;
mod leftovers;
mod locks;
mod newest;
mod part_list;
mod part_listing;
mod read;
pub mod runbook;
mod snapshots;

pub use announcement::{Announcement, AnnouncementChain};
pub use attest::{Attestations, History, Proof, if_allowed};
pub use commit::{Committed, PointWriter};
pub use extend::ExtendedLocks;
pub use handle::{Marker, Repository};
pub use layout::{MAX_CATALOG_BYTES, MAX_TABLES, PointPath};
pub use leftovers::Leftover;
pub use locks::{CLOCK_TOLERANCE, Locks, no_object_lock};
pub use part_list::PartListReader;
pub use part_listing::PartListing;
pub use read::{ListedPoint, PointSelector, RestorePoint};
