//! AWS without S3: accounts, keys, RDS, metrics. The SDKs' types do not leave this folder.

pub mod account;
mod call_error;
mod credentials;
pub mod kms;
pub mod metric;
mod query;
pub mod rds;
mod role;
pub mod security_group;
pub mod token;

pub use account::{Account, AccountOptions};
pub use kms::{KeyArn, KeyInfo, Kms};
pub use role::Role;
pub use token::Tokens;
