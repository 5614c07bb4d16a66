//! What a drill found out about one restore point, as signed. In clear: times, counts, and the names
//! that the configuration gives to assertions. Sealed: whatever comes from inside the database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::{Membership, ParameterPrivilege};
use super::digest::Sha256;
use super::id::Id;

/// What a reader says of a point that only unproven drills are known of.
pub(crate) const NOT_PROVEN: &str = "cannot be proven without a superuser: `[drill] superuser = true` drills \
                              with one, for points and servers of your own; or the drill's server lacks an \
                              extension, which its report names";

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The point was restored, and compared equal.
    Sound,
    /// Nothing was found wrong, but a table, a key or a constraint could not be made without the
    /// rights of a superuser, or an extension that the drill's server lacks: neither sound nor failed.
    Unproven,
    /// A result that this version does not know is read as this one: it must not pass for sound.
    #[serde(other)]
    Failed,
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

/// What a drill leaves out: no superuser drills, or it would change what roles of somebody's server may do.
/// No row, key or constraint hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotTried {
    /// Such as `event trigger`, as pg_restore's list calls it in lower case, or `membership`.
    pub kind: String,
    pub name: String,
}

impl NotTried {
    pub(crate) fn membership(one: &Membership) -> Self {
        Self {
            kind: "membership".to_owned(),
            name: format!("{} in {}", one.member, one.role),
        }
    }

    pub(crate) fn parameter_privilege(one: &ParameterPrivilege) -> Self {
        let grantee = one.grantee.as_deref().unwrap_or("PUBLIC");
        Self {
            kind: "parameter privilege".to_owned(),
            name: format!("{} on {} for {grantee}", one.privilege, one.parameter),
        }
    }
}

/// How many objects of one kind were not tried: their names are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTriedCount {
    pub kind: String,
    pub count: u64,
}

/// A statement about the restored database that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    pub name: String,
    pub ok: bool,
    /// What its SQL returned. Early versions wrote it in clear; it is read, and never written again.
    #[serde(default, skip_serializing)]
    pub value: Option<String>,
}

/// What only the holder of an identity may read of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    #[serde(default)]
    pub assertions: Vec<Answer>,
    #[serde(default)]
    pub not_tried: Vec<NotTried>,
    /// Tables, keys and constraints that could not be made without a superuser, or an extension.
    #[serde(default)]
    pub unproven: Vec<String>,
    /// What did not come back.
    #[serde(default)]
    pub failures: Vec<SealedFinding>,
    /// What else was not as it was.
    #[serde(default)]
    pub findings: Vec<SealedFinding>,
    /// Entries that found no room.
    #[serde(default)]
    pub left_out: u64,
}

/// What the SQL of an assertion returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub name: String,
    /// `None`: NULL, or an error.
    pub value: Option<String>,
}

/// What a drill found out about an object, and what the server said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFinding {
    pub what: String,
    pub why: String,
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
    /// Whether statements of the backup ran with the rights of a superuser; `None`: not stated.
    #[serde(default)]
    pub as_superuser: Option<bool>,
    /// `None`: not stated, or it was restored into somebody's server.
    #[serde(default)]
    pub walls: Option<Walls>,
    #[serde(default)]
    pub not_tried: Vec<NotTriedCount>,
    /// How many tables, keys and constraints could not be made without a superuser.
    #[serde(default)]
    pub unproven: u64,
    /// How many tables, keys, constraints and the like did not come back.
    #[serde(default)]
    pub failures: u64,
    /// How many other things were not as they were, without loss of data.
    #[serde(default)]
    pub findings: u64,
    /// [`Details`] for the recipients of the restore point: base64 of an age file.
    #[serde(default)]
    pub sealed: Option<String>,
}

impl Attestation {
    /// The recipient whose identity opened the point, where no key service keeps that.
    pub fn offline(&self) -> Option<&str> {
        let by = self.opened_by.as_ref()?;
        by.kms_key.is_none().then_some(by.recipient.as_str())
    }
}

impl Walls {
    /// Each by the word for people, and whether it stood.
    pub fn each(self) -> [(&'static str, bool); 4] {
        [
            ("network", self.network),
            ("files", self.files),
            ("processes", self.processes),
            ("user id", self.uid),
        ]
    }
}

impl std::fmt::Display for Walls {
    /// `walled: network, files; not walled: processes, user id`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |stood: bool| {
            let of = self
                .each()
                .into_iter()
                .filter(|(_, stands)| *stands == stood);
            let names: Vec<&str> = of.map(|(name, _)| name).collect();
            match names.is_empty() {
                true => "nothing".to_owned(),
                false => names.join(", "),
            }
        };
        write!(f, "walled: {}; not walled: {}", names(true), names(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_a_later_version_is_never_sound() {
        let read = |text: &str| serde_json::from_str::<Verdict>(text).unwrap();
        assert_eq!(read("\"sound\""), Verdict::Sound);
        assert_eq!(read("\"unproven\""), Verdict::Unproven);
        for other in ["\"failed\"", "\"splendid\"", "\"Sound\""] {
            assert_eq!(read(other), Verdict::Failed, "{other}");
        }
        let written = serde_json::to_string(&Verdict::Failed).unwrap();
        assert_eq!(written, "\"failed\"");
    }

    #[test]
    fn walls_are_told_by_which_stood_and_which_did_not() {
        let some = Walls {
            network: true,
            uid: true,
            ..Walls::default()
        };
        assert_eq!(
            some.to_string(),
            "walled: network, user id; not walled: files, processes"
        );
        let none = Walls::default().to_string();
        assert!(
            none.starts_with("walled: nothing; not walled: network, "),
            "{none}"
        );
    }
}
