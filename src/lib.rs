//! lifeboat: PostgreSQL backups that outlive the account they came from.
//!
//! The library exists for the binary and its tests; its interface is not stable. What is stable:
//! the command line (`lifeboat --help`), what `--json` prints (`src/cli/JSON.md`) and the repository
//! format (`src/repository/FORMAT.md`).
//!
//! `ARCHITECTURE.md` shows the floors of the house: a module imports only from lower ones.

#![cfg_attr(not(test), deny(unreachable_pub))]

mod certificates;
mod clock;
mod compute;
mod context;
mod durable;
mod error;
mod escape;
#[cfg(test)]
mod foreign;
mod http;
mod humanize;
mod interrupt;
mod model;
mod opaque;
mod outcome;
mod percent;
mod progress;
mod quote;
mod random;
mod retry;
mod turns;
mod type_name;
mod wall;

mod aws;
mod codec;
mod notify;
mod pg;
mod sign;
mod store;

mod repository;

mod beside;
mod diff;
mod doctor;
mod drill;
mod export;
mod extract;
mod history;
mod hold;
mod init;
mod keys;
mod list;
mod nightly;
mod promote;
mod prove;
mod report;
mod restore;
mod schedule;
mod snapshot;
mod status;
mod verify;

mod cli;
mod config;

pub use cli::run;
pub use wall::hide_this_process;

/// What the integration tests name.
pub mod testing {
    pub use crate::aws::Account;
    pub use crate::clock::{Clock, SystemClock};
    pub use crate::context::Context;
    pub use crate::error::{Error, Kind, Result};
    pub use crate::escape::is_plain;
    pub use crate::interrupt::{Interrupt, interrupt};
    pub use crate::progress::{Progress, Silent};
    pub use crate::retry::RetryPolicy;
    pub use crate::sign::{PublicKey, Signer, Trust};
    pub use crate::wall::{Wall, unprivileged};

    pub mod cli {
        pub use crate::cli::definition;
    }
    pub mod codec {
        pub use crate::codec::{
            ChunkFinder, ChunkSize, Ends, Identities, Mac, ReuseKey, Sealer, compress, new_identity,
        };
    }
    pub mod config {
        pub use crate::config::{
            Config, Databases, Location, SigningKey, secret_free_text, tables,
        };
    }
    pub mod diff {
        pub use crate::diff::{Opened, Options, Other, RowsOptions, SpillOptions, run};
    }
    pub mod drill {
        pub use crate::drill::{Assertion, AssertionResult, Must, Previous, ask, previous};
    }
    pub mod export {
        pub use crate::export::{Keys, Options, Report, Source, run};
        pub use crate::turns::Turns;
    }
    pub mod hold {
        pub use crate::hold::{Report, hold};
    }
    pub mod list {
        pub use crate::list::{Listing, Options, list};
    }
    pub mod model {
        pub use crate::model::attestation::{
            Answer, Assertion, Attestation, Details, NotTriedCount, OpenedBy, Verdict, Walls,
        };
        pub use crate::model::catalog::{
            Cast, Catalog, Extension, MaterializedView, Membership, Name, Setting,
        };
        pub use crate::model::choice::Choice;
        pub use crate::model::databases::Databases;
        pub use crate::model::digest::Sha256;
        pub use crate::model::id::{Id, Key, segment};
        pub use crate::model::keys::{KeyRing, Recipient, Wrapped};
        pub use crate::model::lock::{Lock, LockMode, LockPolicy, MANIFEST_LEAD};
        pub use crate::model::manifest::{
            LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, Manifest, NotCovered, ObjectRef, Previous,
            TableParts, names,
        };
        pub use crate::model::pattern::{Exclude, Pattern};
        pub use crate::model::snapshot::{CopyStatus, Kind};
        pub use crate::model::state::{NotShown, State};
    }
    pub mod notify {
        pub use crate::notify::{DeliveryOptions, Format, Message, Part, ping, webhook};
        pub use crate::outcome::Outcome;
    }
    pub mod pg {
        pub use crate::pg::connect::conninfo::Input;
        pub use crate::pg::connect::server::{Server, SslMode};
        pub mod definitions {
            pub use crate::pg::definitions::statement;
        }
        pub use crate::pg::local::drill_server::{Remote, ask_walls};
        pub use crate::pg::local::throwaway::{Logins, ServerRequest};
        pub mod tools {
            pub use crate::pg::local::tools::{Dirs, Tool, command, find, run};
        }
        pub use crate::pg::session::{Purpose, Session};
        pub mod pinned {
            pub use crate::pg::session::pinned::{
                PRINTED, UNSTOPPED, UNSTOPPED_SINCE, pinned, pinned_options,
            };
        }
        pub use crate::pg::target::single_value::TimeLimit;
    }
    pub mod promote {
        pub use crate::promote::{Contested, Options, Promoted, Report, Tier, Tiers, run};
    }
    pub mod random {
        pub use crate::random::bytes;
    }
    pub mod report {
        pub use crate::report::{Limits, Options, Page, report};
    }
    pub mod repository {
        pub use crate::repository::{
            Locks, PointSelector, Proof, Repository, RestorePoint, ReusePolicy,
        };
        pub mod details {
            pub use crate::repository::details::{open, seal};
        }
        pub mod runbook {
            pub use crate::repository::runbook::script;
        }
    }
    pub mod restore {
        pub use crate::restore::{Options, Report, run};
    }
    pub mod snapshot {
        pub use crate::snapshot::{Source, WaitLimits};
        pub mod copy {
            pub use crate::snapshot::copy::{Accounts, Options, RecordWriter, Report, run};
        }
        pub mod expire {
            pub use crate::snapshot::expire::{Expected, Keep, Limits, Period, Report, Side, run};
        }
        pub mod restore {
            pub use crate::snapshot::restore::{Options, RecordReader, Report, run};
        }
    }
    pub mod status {
        pub use crate::status::{
            DatabaseStatus, Expected, Limits, Options, PastDrill, Report, status,
        };
    }
    pub mod store {
        pub use crate::store::dir::DirStore;
        pub use crate::store::s3::{RequestLimits, S3Options, S3Store, StaticCredentials};
        pub use crate::store::{
            Cursor, Head, ListedObject, PAGE_OBJECTS, Page, Posture, Promises, Store,
        };
    }
    pub mod verify {
        pub use crate::verify::{Options, Report, Seen, verify, verify_beside};
    }
}
