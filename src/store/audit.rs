//! What `doctor` and `init` ask of a store that can lock. Nothing here is needed to store or to read.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::model::lock::Lock;

/// A store that can prove what it protects.
#[async_trait]
pub trait AuditedStore: Send + Sync {
    /// What the keys of this repository begin with among all keys to which lifecycle rules apply.
    fn key_prefix(&self) -> &str;

    /// Reads all settings; those that may not be read are `Unknown`.
    async fn audit(&self) -> Audit;

    /// Tries to destroy a canary that is locked as `lock` says; `None`: as the store does by itself,
    /// where it has `object_lock`. The canary is stored where none is there from an earlier time, and
    /// stays until its lock ends.
    async fn try_to_destroy(
        &self,
        lock: Option<Lock>,
        object_lock: bool,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>>;

    /// Tries to delete such a canary and nothing else: what its lock must refuse to everybody.
    async fn try_to_delete(
        &self,
        lock: Option<Lock>,
        now: Timestamp,
        random: u64,
    ) -> Result<Vec<Attempt>>;

    /// The rights that these attempts need, and where.
    fn rights_to_try(&self) -> String;

    /// Whether the store takes no body but the announced one, tried with a body that is not; `None`:
    /// these credentials may not put, or no answer came. A store that takes it keeps it, locked so.
    async fn refuses_wrong_bodies(&self, lock: Option<Lock>) -> Option<bool>;
}

/// What could be found out about a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<T> {
    Is(T),
    /// Not set at all.
    Absent,
    /// These credentials may not ask, or the store does not know the question; why.
    Unknown(String),
}

/// Settings of a bucket beside [`super::Posture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The policy's JSON.
    pub policy: Asked<String>,
    /// Whether all four switches are on.
    pub public_access_blocked: Asked<bool>,
    pub lifecycle: Asked<Vec<Rule>>,
}

/// A lifecycle rule that is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    /// Empty: the whole bucket.
    pub prefix: String,
    /// Current versions get a delete marker after this many days.
    pub expire_days: Option<u32>,
    /// Noncurrent versions are deleted after this many days.
    pub noncurrent_days: Option<u32>,
}

/// What was tried, and what the store said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// As in "delete a locked version".
    pub what: &'static str,
    pub outcome: Outcome,
    /// Whether success harms: a delete marker hides an object and destroys nothing.
    pub harmless: bool,
}

/// What refused an attempt, as far as the store says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    Lock,
    /// The caller lacks the right, or a policy denies it: what the lock would have done is not known.
    Rights,
    Unsaid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Refused {
        by: RefusedBy,
        /// The service's.
        code: String,
    },
    Succeeded,
    /// No answer that says either; why.
    Unclear(String),
}
