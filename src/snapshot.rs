//! `lifeboat snapshot`: copies of RDS snapshots in the backup account. AWS says which copies exist; no
//! record of ours does.

pub mod copy;
pub(crate) mod creation;
pub mod expire;
pub mod list;
pub(crate) mod names;
pub mod restore;
mod source;
pub(crate) mod wait;

pub use source::Source;
pub use wait::WaitLimits;
