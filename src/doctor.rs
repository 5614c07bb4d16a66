//! `lifeboat doctor`: findings about posture. Checks are pure functions from gathered facts.

mod finding;
pub mod terraform;

pub use finding::{Finding, Severity};
