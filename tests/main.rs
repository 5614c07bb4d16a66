//! All integration tests in one binary: it links once. `bash tests/run.sh` starts the servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod accounts;
mod attest;
mod bad_input;
mod cli;
mod config;
mod connect;
mod cutoff;
mod damage;
mod doctor;
mod drill;
mod drill_container;
mod drill_harmless;
mod drill_hostile;
mod export;
mod fixtures;
mod generated;
mod hold;
mod house;
mod iam;
mod json_page;
mod keys;
mod leftovers;
mod moments;
mod nightly;
mod one_line;
mod oracle;
mod promote;
mod random;
mod report;
mod restore;
mod restore_exact;
mod restore_foreign;
mod restore_mending;
mod resume;
mod roundtrip;
mod selection;
mod snapshot;
mod status;
mod store_contract;
mod store_dir;
mod store_s3;
mod store_s3_faults;
mod without_lifeboat;
