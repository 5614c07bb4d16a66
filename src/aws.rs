//! AWS beside S3: who we are in each account, keys, RDS. The SDK's types do not leave this folder.

pub mod account;
mod credentials;
mod fault;
pub mod key_info;
pub mod kms;
pub mod metric;
mod query;
pub mod rds;
pub mod security_group;
pub mod token;

pub use account::{Account, AccountOptions, Role};
pub use kms::{KeyArn, KeyInfo, Kms};
pub use token::Tokens;
