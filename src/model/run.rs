//! A run of several shards: how its databases are dealt out, and what each shard says it did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::Id;
use crate::error::{Error, Result};

/// More shards than any engine starts: an array of AWS Batch has at most 10,000.
pub(crate) const MAX_SHARDS: u32 = 10_000;
/// Of the text that finds a run: its key must stay short, whatever is in it.
const MAX_TEXT_BYTES: usize = 200;

/// What the shards of a run do with their databases: runs of one purpose lie where who has the other may not write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunPurpose {
    /// What is stored says nothing then: the first version knew no other.
    #[default]
    Export,
    Prove,
}

impl RunPurpose {
    // As serde calls it.
    #[expect(clippy::trivially_copy_pass_by_ref)]
    fn is_export(&self) -> bool {
        *self == Self::Export
    }
}

/// One task's share of a run, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    pub index: u32,
    pub count: u32,
}

/// The text by which the shards of one run find each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RunText(String);

impl RunText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunText {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        if (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Ok(Self(text));
        }
        Err(Error::usage(format!(
            "'{}' cannot name a run",
            text.escape_debug()
        ))
        .hint(format!(
            "1 to {MAX_TEXT_BYTES} bytes without control characters, for example nightly-2026-11-21"
        )))
    }
}

impl std::fmt::Display for RunText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is signed about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum RunStatement {
    Plan(RunPlan),
    Report(ShardReport),
    Collected(RunCollected),
}

/// Which shard exports or proves which database: stored once a run, by the shard that was first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunPlan {
    pub format: u32,
    pub repository: String,
    /// The run's own: texts come again.
    pub id: Id,
    #[serde(default, skip_serializing_if = "RunPurpose::is_export")]
    pub purpose: RunPurpose,
    pub run: RunText,
    pub shards: u32,
    /// By the store's clock, where it has one.
    pub planned_at: Timestamp,
    pub tool: String,
    /// Sorted by source and database.
    pub databases: Vec<Assignment>,
}

/// A database and its shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub source: String,
    /// `None`: the whole source as it is configured, as its databases could not be listed.
    pub database: Option<String>,
    pub shard: u32,
}

impl RunPlan {
    /// What a shard has to do.
    pub(crate) fn of(&self, shard: u32) -> impl Iterator<Item = &Assignment> {
        let own = move |one: &&Assignment| one.shard == shard;
        self.databases.iter().filter(own)
    }

    /// The shard that does what is done once a source: the one with its first database.
    pub(crate) fn first_of(&self, source: &str) -> Option<u32> {
        let first = self.databases.iter().find(|one| one.source == source);
        first.map(|one| one.shard)
    }

    /// Databases of a source that are in the run, in whichever shard.
    pub(crate) fn databases_of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a str> {
        let here = move |one: &&Assignment| one.source == source;
        let of_source = self.databases.iter().filter(here);
        of_source.filter_map(|one| one.database.as_deref())
    }

    /// What a reader insists on: shards that there are, each database once, each source either listed or whole.
    pub(crate) fn is_sound(&self) -> bool {
        let place = |one: &Assignment| (one.source.clone(), one.database.clone());
        let in_order = self.databases.windows(2).all(|two| {
            let whole = two[0].source == two[1].source && two[0].database.is_none();
            place(&two[0]) < place(&two[1]) && !whole
        });
        let known = |one: &Assignment| one.shard < self.shards;
        (1..=MAX_SHARDS).contains(&self.shards) && in_order && self.databases.iter().all(known)
    }
}

/// What a shard did, once it has tried everything. Texts of errors may quote what is inside of a database:
/// they stay in the shard's own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardReport {
    pub format: u32,
    pub repository: String,
    /// Of the run's plan.
    pub id: Id,
    #[serde(default, skip_serializing_if = "RunPurpose::is_export")]
    pub purpose: RunPurpose,
    pub run: RunText,
    pub shard: u32,
    /// Counts from 1: a shard that was started again reports again.
    pub attempt: u32,
    pub tool: String,
    pub reported_at: Timestamp,
    pub databases: Vec<ShardDatabase>,
    /// Steps that did not end with 0.
    pub steps: Vec<ShardStep>,
}

impl ShardReport {
    /// Whether something is left that a further attempt may mend.
    pub(crate) fn failed(&self) -> bool {
        let failed = |one: &ShardDatabase| one.error.is_some();
        self.databases.iter().any(failed) || self.steps.iter().any(|step| step.exit_code != 3)
    }
}

/// How the export, or the proof, of a database ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardDatabase {
    pub source: String,
    /// `None`: the source as a whole.
    pub database: Option<String>,
    /// The point that the run made of it, or that it drilled.
    pub point: Option<Id>,
    /// The kind of the error, a word as in `--json`.
    pub error: Option<String>,
}

/// A step that failed or has findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardStep {
    /// Such as `verify prod/courses`.
    pub name: String,
    pub exit_code: u8,
}

/// That somebody looked at all reports and told how the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunCollected {
    pub format: u32,
    pub repository: String,
    /// Of the run's plan.
    pub id: Id,
    #[serde(default, skip_serializing_if = "RunPurpose::is_export")]
    pub purpose: RunPurpose,
    pub run: RunText,
    pub tool: String,
    pub collected_at: Timestamp,
    pub exit_code: u8,
}

impl RunStatement {
    pub(crate) fn repository(&self) -> &str {
        match self {
            Self::Plan(plan) => &plan.repository,
            Self::Report(report) => &report.repository,
            Self::Collected(collected) => &collected.repository,
        }
    }

    pub(crate) fn id(&self) -> &Id {
        match self {
            Self::Plan(plan) => &plan.id,
            Self::Report(report) => &report.id,
            Self::Collected(collected) => &collected.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(databases: &[(&str, Option<&str>, u32)]) -> RunPlan {
        let assignment = |(source, database, shard): &(&str, Option<&str>, u32)| Assignment {
            source: (*source).to_owned(),
            database: database.map(str::to_owned),
            shard: *shard,
        };
        RunPlan {
            format: 1,
            repository: "r".to_owned(),
            id: Id::new(Timestamp::UNIX_EPOCH, 7),
            purpose: RunPurpose::Export,
            run: RunText::try_from("night".to_owned()).unwrap(),
            shards: 2,
            planned_at: Timestamp::UNIX_EPOCH,
            tool: "lifeboat".to_owned(),
            databases: databases.iter().map(assignment).collect(),
        }
    }

    #[test]
    fn a_plan_with_a_database_twice_or_a_shard_that_is_none_is_not_sound() {
        let sound = plan(&[("a", Some("x"), 1), ("a", Some("y"), 0), ("b", None, 1)]);
        assert!(sound.is_sound());
        assert_eq!(sound.first_of("a"), Some(1));
        assert_eq!(sound.of(1).count(), 2);
        for wrong in [
            plan(&[("a", Some("x"), 0), ("a", Some("x"), 1)]),
            plan(&[("a", None, 0), ("a", Some("x"), 1)]),
            plan(&[("a", Some("x"), 2)]),
            plan(&[("b", Some("x"), 0), ("a", Some("x"), 0)]),
        ] {
            assert!(!wrong.is_sound(), "{wrong:?}");
        }
    }

    #[test]
    fn a_run_is_named_by_a_short_text_without_control_characters() {
        for good in ["nightly 2026/11/21", "a", "ü", ".."] {
            assert!(RunText::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for wrong in ["", "a\nb", &"x".repeat(201)] {
            let error = RunText::try_from(wrong.to_owned()).unwrap_err();
            assert!(error.to_string().contains("cannot name a run"), "{error}");
        }
    }

    #[test]
    fn a_statement_of_one_kind_is_read_as_no_other() {
        let text = serde_json::to_string(&RunStatement::Plan(plan(&[]))).unwrap();
        assert!(
            text.starts_with("{\"kind\":\"plan\",\"format\":1,"),
            "{text}"
        );
        let read: RunStatement = serde_json::from_str(&text).unwrap();
        assert!(matches!(read, RunStatement::Plan(_)));
        let forged = text.replace("\"plan\"", "\"report\"");
        assert!(serde_json::from_str::<RunStatement>(&forged).is_err());
    }
}
