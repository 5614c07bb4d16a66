//! What a drill found out about one restore point, as signed. In clear: names and values of
//! assertions are those that the configuration asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::id::Id;

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The point was restored, and compared equal.
    Sound,
    Failed,
    /// Nothing was found wrong, but a table, a key or a constraint could not be made without the
    /// rights of a superuser: neither sound nor failed.
    Unproven,
}

/// What stood between the code that a backup holds and the machine that drilled it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// It could open no socket but PostgreSQL's own.
    pub network: bool,
    /// It saw no file but PostgreSQL's programs and its own folder.
    pub files: bool,
    /// It could neither see nor signal other processes.
    pub processes: bool,
    /// It ran under another user id than lifeboat.
    pub uid: bool,
}

/// An object that a drill without superuser leaves out. No row, key or constraint hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotTried {
    /// As pg_restore's list calls it in lower case, such as `event trigger`.
    pub kind: String,
    pub name: String,
}

/// A statement about the restored database that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    pub name: String,
    pub ok: bool,
    /// What its SQL returned; `None`: nothing, or an error.
    pub value: Option<String>,
}

/// Whose identity opened a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedBy {
    /// `age1…`
    pub recipient: String,
    /// The ARN of the KMS key that kept the identity; `None`: it was given as a file.
    pub kms_key: Option<String>,
}

/// The body of an attestation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    pub format: u32,
    /// The repository's id, from `lifeboat.json`.
    pub repository: String,
    pub source: String,
    pub database: String,
    /// Of the restore point that was drilled.
    pub id: Id,
    /// Of that point's manifest's body: it speaks of no other manifest under this id.
    pub manifest_sha256: Sha256,
    pub drilled_at: Timestamp,
    /// `lifeboat 0.1.0`
    pub tool: String,
    /// Of the PostgreSQL that it was restored into.
    pub server_version: String,
    pub result: Verdict,
    /// By whom all of it was opened; `None`: several identities were at hand.
    pub opened_by: Option<OpenedBy>,
    /// That were restored and compared.
    pub rows: u64,
    pub tables: u64,
    /// Until the restore ended, well or not.
    pub seconds_to_restore: f64,
    /// Until the first query over restored rows could be answered.
    pub seconds_to_first_query: Option<f64>,
    /// What was restored, where it was not all.
    pub sample: Option<String>,
    pub assertions: Vec<Assertion>,
}

impl Attestation {
    /// The recipient whose identity opened the point, where no key service keeps that.
    pub fn offline(&self) -> Option<&str> {
        let by = self.opened_by.as_ref()?;
        by.kms_key.is_none().then_some(by.recipient.as_str())
    }
}
