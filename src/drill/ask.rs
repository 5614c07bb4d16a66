//! Asking a restored database. Its views and functions are somebody else's code: no question can keep
//! the next one from being asked, or change what it finds.

use jiff::Timestamp;

use super::assertion::{Assertion, AssertionResult};
use crate::pg::connect::server::Server;
use crate::pg::target::single_value::{TimeLimit, read_within};

/// Asks each assertion in a session of its own. `previous` holds what they gave at the drill before,
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
