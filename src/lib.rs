//! lifeboat: PostgreSQL backups that outlive the account they came from.
//!
//! The library exists for the binary and its tests; its interface is not stable. What is stable:
//! the command line (`lifeboat --help`), what `--json` prints (`src/cli/JSON.md`) and the repository
//! format (`src/repository/FORMAT.md`).
//!
//! The house has floors; a module imports only from lower ones:
//!
//! * 4: `main.rs`, [`cli`], [`config`]
//! * 3: use cases: [`init`], [`keys`], [`export`], [`list`], [`status`], [`verify`], [`hold`],
//!   [`promote`], [`report`], [`restore`], [`snapshot`], [`drill`], [`doctor`]; [`nightly`] and
//!   [`prove`], which call others as the steps of a [`schedule`]
//! * 2: [`repository`]: format v1
//! * 1: [`codec`], [`store`], [`sign`], [`pg`], [`aws`]
//! * 0: [`error`], [`escape`], [`clock`], [`compute`], [`context`], [`humanize`], [`interrupt`], [`outcome`], [`percent`],
//!   [`progress`], [`quote`], [`random`], [`retry`], [`wall`], [`http`], [`model`]

pub mod clock;
pub mod compute;
pub mod context;
pub mod error;
pub mod escape;
pub mod http;
pub mod humanize;
pub mod interrupt;
pub mod model;
pub mod outcome;
pub mod percent;
pub mod progress;
pub mod quote;
pub mod random;
pub mod retry;
pub mod wall;

pub mod aws;
pub mod codec;
pub mod notify;
pub mod pg;
pub mod sign;
pub mod store;

pub mod repository;

pub mod doctor;
pub mod drill;
pub mod export;
pub mod hold;
pub mod init;
pub mod keys;
pub mod list;
pub mod nightly;
pub mod promote;
pub mod prove;
pub mod report;
pub mod restore;
pub mod schedule;
pub mod snapshot;
pub mod status;
pub mod verify;

pub mod cli;
pub mod config;
