//! What a Terraform plan or state could do to databases and backups.
//!
//! Read are `terraform show -json` of a plan or of the state, and a state file itself. The formats:
//! Terraform's "JSON Output Format" (1.x) and state version 4.

mod guard;
mod plan;
mod protected;
mod read;
mod state;

pub use plan::check as check_plan;
pub use protected::Protected;
pub use read::{Document, parse};
pub use state::check as check_state;
