//! The settings every session has, so that a value prints and is read in one way everywhere. Sessions
//! that compute values keep the database's own, as far as those cannot stop them.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::login::Login;
use crate::pg::connect::server::option;

/// How long a statement waits for a lock unless `Session::set_lock_timeout` says otherwise.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reads tables: read-only, and neither views nor foreign tables can be read by mistake.
    Read,
    /// Runs somebody's queries, such as a drill's assertions: read-only, views allowed.
    Query,
    /// It may write.
    Write,
    /// It may write, and what the database computes is computed as the database's own settings say.
    Compute,
}

/// Settings that would end a session, keep it from writing or hide rows, whatever the database and its
/// roles set; and search_path, which names what its statements mean. Every supported server knows them.
pub const UNSTOPPED: &[(&str, &str)] = &[
    ("search_path", ""),
    ("row_security", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("client_min_messages", "warning"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// Settings by which values print; every supported server knows them.
pub const PRINTED: &[(&str, &str)] = &[
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    // Above 0 means shortest-precise since 12; 3 also for older ones, and what pg_dump sets.
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("array_nulls", "on"),
    ("xmloption", "content"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("synchronize_seqscans", "off"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

/// A setting that came later: name, value, and the first version that knows it; for a security
/// fix the first minor version of each branch, oldest first.
pub(crate) type Later = (&'static str, &'static str, &'static [u32]);

/// Of the kind of [`UNSTOPPED`], but not every supported server knows them.
pub const UNSTOPPED_SINCE: &[Later] = &[
    ("idle_session_timeout", "0", &[140_000]),
    ("transaction_timeout", "0", &[170_000]),
];

/// Only for sessions that read tables out: an object swapped for a view must not run its owner's
/// code with our rights (CVE-2024-7348). A restore must not have it: REFRESH MATERIALIZED VIEW
/// over a view fails under it.
pub(crate) const NO_VIEWS: Later = (
    "restrict_nonsystem_relation_kind",
    "view, foreign-table",
    &[120_020, 130_016, 140_013, 150_008, 160_004, 170_000],
);

/// What is pinned for a purpose on a server of this version, names and values.
pub fn pinned(
    purpose: Purpose,
    server_version_num: u32,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let printed = match purpose {
        Purpose::Compute => &[],
        _ => PRINTED,
    };
    let later = UNSTOPPED_SINCE
        .iter()
        .filter(move |(_, _, since)| knows(since, server_version_num))
        .map(|(name, value, _)| (*name, *value));
    UNSTOPPED.iter().chain(printed).copied().chain(later)
}

/// SET statements, one a line; none takes a snapshot.
fn pinned_sql(purpose: Purpose, server_version_num: u32) -> String {
    let statements =
        pinned(purpose, server_version_num).map(|(name, value)| set(name, value) + "\n");
    statements.collect()
}

/// The same for `PGOPTIONS`, where a tool makes its own connection.
pub fn pinned_options(purpose: Purpose, server_version_num: u32) -> String {
    let options = pinned(purpose, server_version_num).map(|(name, value)| option(name, value));
    options.collect::<Vec<_>>().join(" ")
}

fn knows(since: &[u32], version: u32) -> bool {
    let mut known = since.iter().filter(|first| version >= **first);
    known.any(|first| Some(first) == since.last() || first / 10_000 == version / 10_000)
}

fn set(name: &str, value: &str) -> String {
    // Lists must not be quoted as one word.
    match (name, value) {
        ("DateStyle", list) => format!("SET {name} = {list};"),
        _ => format!("SET {name} = '{value}';"),
    }
}

/// Sends all settings in one go. A server that is not quite PostgreSQL may not know a later one.
pub(crate) async fn pin(login: &Login, purpose: Purpose) -> Result<(), tokio_postgres::Error> {
    let version = version_num(&login.server_version);
    let read_only = match purpose {
        Purpose::Read | Purpose::Query => "on",
        Purpose::Write | Purpose::Compute => "off",
    };
    let ours = format!(
        "SET default_transaction_read_only = {read_only};\nSET lock_timeout = {};\n",
        LOCK_TIMEOUT.as_millis()
    );
    let (name, value, since) = NO_VIEWS;
    let mut all = pinned_sql(purpose, version) + &ours;
    if purpose == Purpose::Read && knows(since, version) {
        all.push_str(&set(name, value));
    }
    let client = &login.client;
    match client.batch_execute(&all).await {
        Err(error) if is_unknown(&error) => {}
        other => return other,
    }
    let oldest = pinned_sql(purpose, 0) + &ours;
    client.batch_execute(&oldest).await?;
    let no_views = (purpose == Purpose::Read).then_some(&NO_VIEWS);
    for (name, value, _) in UNSTOPPED_SINCE.iter().chain(no_views) {
        match client.batch_execute(&set(name, value)).await {
            Err(error) if is_unknown(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

fn is_unknown(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_OBJECT)
}

/// "15.4 (Debian 15.4-1)" is 150004, "18beta1" is 180000.
fn version_num(text: &str) -> u32 {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    let major = next().unwrap_or(0);
    let minor = next().filter(|_| text.starts_with(&format!("{major}.")));
    major * 10_000 + minor.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_print_them() {
        for (text, number) in [
            ("15.20 (Debian 15.20-0+deb12u1)", 150_020),
            ("18.4", 180_004),
            ("19beta1", 190_000),
            ("20devel", 200_000),
            ("", 0),
        ] {
            assert_eq!(version_num(text), number, "{text}");
        }
    }

    #[test]
    fn a_security_fix_is_known_from_each_branchs_own_minor_version_on() {
        let (_, _, since) = NO_VIEWS;
        for (version, known) in [
            (110_022, false),
            (120_019, false),
            (120_020, true),
            (150_007, false),
            (150_008, true),
            (160_003, false),
            (160_014, true),
            (170_000, true),
            (180_004, true),
        ] {
            assert_eq!(knows(since, version), known, "{version}");
        }
    }

    #[test]
    fn nothing_but_set_is_sent() {
        let sql = |version| pinned_sql(Purpose::Read, version);
        for line in sql(180_000).lines() {
            assert!(line.starts_with("SET ") && line.ends_with(';'), "{line}");
        }
        assert!(sql(180_000).contains("SET transaction_timeout = '0';"));
        assert!(!sql(160_000).contains("SET transaction_timeout"));
    }

    #[test]
    fn a_list_stays_one_option() {
        let options = pinned_options(Purpose::Read, 150_000);
        assert!(options.contains(r"-c DateStyle=ISO,\ YMD "), "{options}");
    }

    #[test]
    fn a_session_that_computes_keeps_what_values_depend_on() {
        let pinned: Vec<_> = pinned(Purpose::Compute, 180_000).map(|one| one.0).collect();
        for name in ["TimeZone", "DateStyle", "lc_monetary", "bytea_output"] {
            assert!(!pinned.contains(&name), "{name}");
        }
        assert!(pinned.contains(&"transaction_timeout"));
    }
}
