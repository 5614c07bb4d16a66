//! `lifeboat snapshot`: copies of RDS snapshots in the backup account. AWS says which copies exist; no
//! record of ours does.

pub(crate) mod copy;
pub(crate) mod creation;
pub(crate) mod expire;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod restore;
mod source;
pub(crate) mod wait;

pub use source::Source;
pub use wait::WaitLimits;
