//! What a Terraform plan or state could do to databases and backups.
//!
//! Read are `terraform show -json` of a plan or of the state, and a state file itself. The formats:
//! Terraform's "JSON Output Format" (1.x) and state version 4.

mod guard;
mod plan;
mod protected;
mod read;
mod state;

pub(crate) use plan::check as check_plan;
pub(crate) use protected::Protected;
pub(crate) use read::{Document, parse};
pub(crate) use state::check as check_state;
