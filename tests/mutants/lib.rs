//! What `cargo mutants` changes, and what that imports of lower floors: lifeboat without PostgreSQL, AWS and the command
//! line. A mutant of it is built and tested in seconds; of the whole crate, in minutes.

#![allow(dead_code, unused_imports, unreachable_pub)]

mod clock;
mod compute;
mod context;
mod durable;
mod error;
mod escape;
#[cfg(test)]
mod foreign;
mod humanize;
mod interrupt;
mod model;
mod opaque;
mod outcome;
mod percent;
mod progress;
mod quote;
mod random;
mod turns;
mod type_name;

mod codec;
mod sign;
mod store;

mod repository;

mod pg {
    pub(crate) mod connect {
        pub(crate) mod conninfo {
            mod files;
            mod params;
        }
        pub(crate) mod server;
    }
    pub(crate) mod local {
        pub(crate) mod tools {
            #[derive(Debug, Clone, Default)]
            pub struct Dirs;
        }
    }
    pub(crate) mod session {
        pub(crate) const LOCK_TIMEOUT: std::time::Duration = std::time::Duration::ZERO;
    }
    pub(crate) mod target {
        pub(crate) mod toc;
    }
}

mod diff {
    mod columns;
    mod digests;
    mod spill;
}

mod doctor {
    pub(crate) mod finding;
    pub(crate) mod terraform;
}

mod export {
    mod budget;
    mod options;
    mod packer;
    mod report;
    mod reuse;
    mod shared;
    mod table_progress;
    mod table_reuse;
    mod under_lock;
    mod plan {
        pub(super) struct Plan;
    }
}

mod extract {
    mod csv;
    mod format;
    mod jsonl;
    mod rows;
    mod text;
}

mod promote;

mod snapshot {
    pub(crate) mod list {
        use jiff::Timestamp;

        pub(crate) struct FoundCopy {
            pub point: CopyPoint,
            pub snapshot: Snapshot,
        }
        pub(crate) struct CopyPoint {
            pub taken_at: Timestamp,
            pub verified: Option<String>,
            pub held: bool,
        }
        pub(crate) struct Snapshot {
            pub kms_key: Option<String>,
            pub status: String,
        }
        impl Snapshot {
            pub fn is_available(&self) -> bool {
                self.status == "available"
            }
            pub fn has_failed(&self) -> bool {
                self.status == "failed"
            }
        }
    }
    mod expire {
        mod keep;
    }
}
