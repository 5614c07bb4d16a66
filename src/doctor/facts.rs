//! What checks judge by.

use jiff::{SignedDuration, Timestamp};

use crate::aws::rds::Guards;
use crate::aws::{KeyArn, KeyInfo};
use crate::error::{Error, Result};
use crate::model::keys::Recipient;
use crate::model::pattern::Exclude;
use crate::pg::connect::server::Server;
use crate::pg::local::drill_server::WallReport;
use crate::pg::local::tools::{self, Dirs, Tool};
use crate::pg::session::{Purpose, Session};
use crate::pg::source::{catalog, left_out};
use crate::store::Posture;
use crate::store::audit::{Attempt, Audit};

/// All that checks judge by. An `Error` in it is a fact, too: why something is not known.
#[derive(Debug)]
pub(crate) struct Facts {
    pub repository_url: String,
    /// By which the store is reached: host, port and variable; `None`: none.
    pub proxy: Option<String>,
    /// `None`: nothing in it keeps an object from being deleted.
    pub store: Result<Option<StoreFacts>>,
    pub source: Option<Account>,
    pub backup: Option<Account>,
    /// The region of snapshot copies; `None`: the backup account's.
    pub copies_region: Option<String>,
    pub recipients: Vec<Recipient>,
    /// Empty also where these credentials may not read attestations.
    pub break_glass: Result<Vec<BreakGlass>>,
    /// The configured limit.
    pub break_glass_age: SignedDuration,
    /// How many days exports are locked, those of the hours where they are locked for less, as the configuration says.
    pub daily_days: Option<u32>,
    pub databases: Vec<Database>,
    pub kms_keys: Vec<KmsKey>,
    /// Instances and clusters that the configuration names.
    pub rds: Vec<RdsDatabase>,
    /// `None`: nothing in the configuration says that this machine drills.
    pub drill_wall: Option<DrillWall>,
}

/// What a store says about itself that can keep objects from being deleted.
#[derive(Debug)]
pub(crate) struct StoreFacts {
    /// Keys of the repository begin with it: empty, or with a slash at its end.
    pub prefix: String,
    pub posture: Posture,
    pub audit: Audit,
    /// Attempts to destroy a canary; `None`: none was made.
    pub attempts: Option<Result<Vec<Attempt>>>,
    /// Whether the store takes no body but the announced one; `None`: not known.
    pub refuses_wrong_bodies: Option<bool>,
}

/// An AWS account, and the region that is used there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub id: String,
    pub region: String,
}

/// An offline identity that opens the newest restore point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BreakGlass {
    pub name: String,
    /// When it last opened a restore point in a drill, and how long ago.
    pub opened: Option<(Timestamp, SignedDuration)>,
}

/// What a KMS key is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPurpose {
    /// Unwraps the identity of this recipient.
    OpensExports(String),
    EncryptsCopies,
    /// Signs manifests or attestations.
    Signs,
}

/// A KMS key that the configuration names.
#[derive(Debug)]
pub(crate) struct KmsKey {
    pub purpose: KeyPurpose,
    pub arn: KeyArn,
    pub info: Result<KeyInfo>,
}

/// An RDS instance or cluster that the configuration names.
#[derive(Debug)]
pub(crate) struct RdsDatabase {
    /// The source in the configuration.
    pub source: String,
    /// Its identifier in RDS.
    pub name: String,
    pub guards: Result<Guards>,
    /// Whether AWS manages its KMS key; `None`: not known.
    pub has_aws_managed_key: Option<bool>,
}

/// The wall around the servers that this machine's drills use.
#[derive(Debug)]
pub(crate) enum DrillWall {
    /// Drills start servers themselves. An error: no wall could be built.
    Here(Result<WallReport>),
    /// A drill server behind this socket starts them. An error: its answer was none, or wrong.
    SecondContainer(String, Result<WallReport>),
}

/// A database that the configuration names.
#[derive(Debug, Default)]
pub(crate) struct Database {
    pub source: String,
    /// `*`: all of the source.
    pub name: String,
    /// Why nothing else is known.
    pub unreachable: Option<Error>,
    /// Why an export could not lock and read its tables.
    pub unreadable: Option<Error>,
    pub unreadable_large_objects: u64,
    /// Why there is no pg_dump for it.
    pub no_pg_dump: Option<Error>,
    /// Databases of the same server that the configuration leaves out.
    pub uncovered: Vec<String>,
}

impl Database {
    pub(crate) fn unreachable(source: &str, name: &str, error: Error) -> Self {
        Self {
            unreachable: Some(error),
            ..Self::without_fault(source, name)
        }
    }

    pub(super) fn without_fault(source: &str, name: &str) -> Self {
        Self {
            source: source.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Asks the server; an error becomes `unreachable`.
    pub(crate) async fn gather(
        source: &str,
        server: &Server,
        exclude: &Exclude,
        dirs: &Dirs,
    ) -> Self {
        let asked = Self::ask(source, server, exclude, dirs).await;
        asked.unwrap_or_else(|error| Self::unreachable(source, &server.database, error))
    }

    async fn ask(source: &str, server: &Server, exclude: &Exclude, dirs: &Dirs) -> Result<Self> {
        let session = Session::connect(server, "lifeboat doctor", Purpose::Read).await?;
        let unreadable_large_objects = match catalog::count_large_objects(&session).await? {
            0 => 0,
            _ => catalog::unreadable_large_objects(&session).await?,
        };
        let readable = match left_out::resolve(&session, &server.database, exclude).await {
            Ok(left_out) => catalog::lock_targets(&session, &left_out.gone).await,
            Err(error) => Err(error),
        };
        let found = Self {
            unreadable: readable.err(),
            unreadable_large_objects,
            no_pg_dump: tools::find(Tool::PgDump, session.major(), true, dirs).err(),
            ..Self::without_fault(source, &server.database)
        };
        session.close().await;
        Ok(found)
    }
}

#[cfg(test)]
impl Facts {
    /// Of a configuration that names nothing, and a store that does not answer.
    pub(super) fn none() -> Self {
        Self {
            repository_url: "s3://b/prod".to_owned(),
            proxy: None,
            store: Err(Error::failed("no answer")),
            source: None,
            backup: None,
            copies_region: None,
            recipients: Vec::new(),
            break_glass: Ok(Vec::new()),
            break_glass_age: SignedDuration::ZERO,
            daily_days: None,
            databases: Vec::new(),
            kms_keys: Vec::new(),
            rds: Vec::new(),
            drill_wall: None,
        }
    }
}
