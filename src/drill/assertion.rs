//! What a restored database must be able to say of itself.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::pg::connect::server::Server;
use crate::pg::target::single_value::{TimeLimit, read_within};

/// A query and what its one value must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    pub name: String,
    pub sql: String,
    pub must: Must,
}

/// What must hold of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Must {
    /// The very text.
    Equal(String),
    /// A number not below this one.
    AtLeast(f64),
    /// A number that differs from that of the drill before by no more than this many per cent.
    Within { percent: f64 },
    /// A time at most so long before the restore point's snapshot.
    NotOlder(SignedDuration),
}

/// An assertion, and which databases it is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    /// `None`: of all.
    pub source: Option<String>,
    /// `None`: of all.
    pub database: Option<String>,
    pub assertion: Assertion,
}

impl Question {
    pub(super) fn is_for(&self, source: &str, database: &str) -> bool {
        let matches =
            |wanted: &Option<String>, name| wanted.as_deref().is_none_or(|wanted| wanted == name);
        matches(&self.source, source) && matches(&self.database, database)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssertionResult {
    pub name: String,
    pub ok: bool,
    /// What the query gave; null where it failed or gave NULL.
    pub value: Option<String>,
    /// What was expected, or why the query failed; empty where it holds.
    pub why: String,
}

impl Assertion {
    /// Whether it looks at the drill before.
    pub fn compares(&self) -> bool {
        matches!(self.must, Must::Within { .. })
    }

    /// Decides. `previous` is the value at the drill before, `snapshot_at` the moment that the data
    /// shows.
    pub fn judge(
        &self,
        answer: Result<Option<String>>,
        previous: Option<&str>,
        snapshot_at: Timestamp,
    ) -> AssertionResult {
        let why = match &answer {
            Err(error) => Err(error.chain()),
            Ok(None) => Err("it gave NULL".to_owned()),
            Ok(Some(value)) => self.must.holds(value, previous, snapshot_at),
        };
        AssertionResult {
            name: self.name.clone(),
            ok: why.is_ok(),
            value: answer.ok().flatten(),
            why: why.err().unwrap_or_default(),
        }
    }
}

impl Must {
    fn holds(
        &self,
        value: &str,
        previous: Option<&str>,
        snapshot_at: Timestamp,
    ) -> Result<(), String> {
        match self {
            Self::Equal(wanted) if value == wanted => Ok(()),
            Self::Equal(wanted) => Err(format!("it is {value}, expected was {wanted}")),
            Self::AtLeast(least) if number(value)? >= *least => Ok(()),
            Self::AtLeast(least) => Err(format!("it is {value}, expected was at least {least}")),
            Self::Within { percent } => {
                let (now, Some(previous)) = (number(value)?, previous) else {
                    return Ok(());
                };
                if within(now, number(previous)?, *percent) {
                    return Ok(());
                }
                Err(format!(
                    "it is {value}, at the drill before it was {previous}: more than {percent} % apart"
                ))
            }
            Self::NotOlder(limit) if snapshot_at.duration_since(moment(value)?) <= *limit => Ok(()),
            Self::NotOlder(limit) => Err(format!(
                "it is {value}, more than {limit:#} before the snapshot of {snapshot_at}"
            )),
        }
    }
}

/// Asks each assertion in a session of its own. A database's views and functions are somebody else's
/// code: no question can keep the next one from being asked, or change what it finds. `previous` holds what they gave at the drill before,
/// by their names; `snapshot_at` is the moment that the data shows.
pub async fn ask(
    server: &Server,
    assertions: impl IntoIterator<Item = &Assertion>,
    previous: &[(String, String)],
    snapshot_at: Timestamp,
    limit: TimeLimit,
) -> Vec<AssertionResult> {
    let mut results = Vec::new();
    for assertion in assertions {
        let value = read_within(server, &assertion.sql, limit).await;
        let before = previous.iter().find(|(name, _)| *name == assertion.name);
        let before = before.map(|(_, value)| value.as_str());
        results.push(assertion.judge(value, before, snapshot_at));
    }
    results
}

fn within(value: f64, previous: f64, percent: f64) -> bool {
    (value - previous).abs() <= previous.abs() * percent / 100.0
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("it is '{text}', which is no number")),
    }
}

/// PostgreSQL's ISO style: `2026-11-21 02:00:00+00`, without an offset taken as UTC, or a date.
fn moment(text: &str) -> Result<Timestamp, String> {
    let as_utc = |_| -> Result<Timestamp, jiff::Error> {
        let time: DateTime = text.parse()?;
        Ok(time.to_zoned(TimeZone::UTC)?.timestamp())
    };
    let time = text.parse().or_else(as_utc);
    time.map_err(|_| format!("it is '{text}', which is no time"))
}

/// Refuses two assertions of one name: the drill before is looked up by it.
pub(crate) fn check_names<'a>(mut assertions: impl Iterator<Item = &'a Assertion>) -> Result<()> {
    let mut seen = BTreeSet::new();
    match assertions.find(|one| !seen.insert(&one.name)) {
        None => Ok(()),
        Some(twice) => Err(Error::usage(format!(
            "two assertions are called '{}'",
            twice.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(must: Must, value: &str, previous: Option<&str>) -> AssertionResult {
        let assertion = Assertion {
            name: "a".into(),
            sql: String::new(),
            must,
        };
        let at = "2026-11-21T02:00:00Z".parse().unwrap();
        assertion.judge(Ok(Some(value.to_owned())), previous, at)
    }

    #[test]
    fn a_value_is_judged_by_what_it_must_be() {
        let within = || Must::Within { percent: 10.0 };
        let day = || Must::NotOlder(SignedDuration::from_hours(24));
        for (must, value, previous, ok) in [
            (Must::Equal("7".into()), "7", None, true),
            (Must::Equal("7".into()), "7.0", None, false),
            (Must::AtLeast(1.5), "1.5", None, true),
            (Must::AtLeast(1.5), "1.4", None, false),
            (Must::AtLeast(0.0), "many", None, false),
            (Must::AtLeast(0.0), "NaN", None, false),
            (within(), "110", Some("100"), true),
            (within(), "111", Some("100"), false),
            (within(), "89", Some("100"), false),
            (within(), "0", Some("0"), true),
            (within(), "5", None, true),
            (within(), "x", None, false),
            (day(), "2026-11-20 02:00:00+00", None, true),
            (day(), "2026-11-20 03:00:00+02", None, false),
            (day(), "2026-11-20 01:59:59.9", None, false),
            (day(), "2026-11-21", None, true),
            (day(), "2027-01-01 00:00:00+00", None, true),
            (day(), "yesterday", None, false),
        ] {
            let found = outcome(must.clone(), value, previous);
            assert_eq!(found.ok, ok, "{must:?} of {value}: {}", found.why);
            assert_eq!(found.ok, found.why.is_empty());
        }
    }

    #[test]
    fn null_and_a_failed_query_never_hold() {
        let assertion = Assertion {
            name: "a".into(),
            sql: String::new(),
            must: Must::Equal(String::new()),
        };
        let at = Timestamp::UNIX_EPOCH;
        assert!(!assertion.judge(Ok(None), None, at).ok);
        let failed = assertion.judge(Err(Error::failed("no such table")), None, at);
        assert!(!failed.ok && failed.why.contains("no such table"));
    }
}
