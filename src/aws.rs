//! AWS without S3: accounts, keys, RDS, metrics. The SDKs' types do not leave this folder.

pub(crate) mod account;
mod call_error;
mod credentials;
pub(crate) mod kms;
pub(crate) mod metric;
mod query;
pub(crate) mod rds;
mod role;
pub(crate) mod security_group;
pub(crate) mod token;

pub use account::Account;
pub(crate) use account::AccountOptions;
pub(crate) use kms::{KeyArn, KeyInfo, Kms};
pub(crate) use role::Role;
pub(crate) use token::Tokens;
