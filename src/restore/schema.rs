//! The schema archive in pieces: before the data, after it, privileges last. An entry that fails
//! does not stop the others; it is tried once more at the end, and then judged.

use std::collections::BTreeSet;

use super::report::Trouble;
use super::{Run, roles, tables};
use crate::error::Result;
use crate::pg::archive::Complaint;
use crate::pg::ledger;
use crate::pg::toc::{Entry, Section};

/// Tables, types, functions: all that the data needs, without privileges.
pub async fn before_data(run: &mut Run<'_>) -> Result<()> {
    let owners = roles::owners(run);
    roles::borrow_owners(run, &owners).await?;
    let before = |entry: &Entry| entry.section == Section::PreData && is_plain(entry);
    bulk(run, |entry| before(entry) && entry.kind == "SCHEMA", 1).await?;
    roles::borrow_schemas(run, &owners).await?;
    bulk(run, |entry| before(entry) && entry.kind != "SCHEMA", 1).await
}

/// Indexes, keys, triggers and the like. Tables that did not load yet may hold names of indexes:
/// they get a second chance between indexes and triggers.
pub async fn after_data(run: &mut Run<'_>) -> Result<()> {
    let jobs = run.jobs;
    let after = |entry: &Entry| entry.section == Section::PostData && is_plain(entry);
    if tables::are_complete(run).await? {
        return bulk(run, after, jobs).await;
    }
    bulk(run, |entry| after(entry) && entry.makes_index(), jobs).await?;
    tables::restore(run, true).await?;
    bulk(run, |entry| after(entry) && !entry.makes_index(), jobs).await
}

/// Tries every failed entry once more, one by one, and judges what still fails.
pub async fn retry(run: &mut Run<'_>) -> Result<()> {
    judge(run, is_plain).await
}

/// Row security, grants, revokes and default privileges, once nothing needs more rights than they
/// leave.
pub async fn privileges(run: &mut Run<'_>) -> Result<()> {
    roles::give_back(run, true).await?;
    bulk(run, Entry::is_row_security, 1).await?;
    judge(run, Entry::is_row_security).await?;
    if run.options.no_privileges {
        return Ok(());
    }
    // What --resume makes must not get default privileges that its own do not take away.
    let whole = run.report.failures.is_empty();
    let now = move |entry: &Entry| entry.is_acl() && (whole || entry.kind != "DEFAULT ACL");
    bulk(run, now, 1).await?;
    judge(run, now).await
}

/// Last of all: they would meet our own statements.
pub async fn event_triggers(run: &mut Run<'_>) -> Result<()> {
    bulk(run, Entry::is_event_trigger, 1).await?;
    judge(run, Entry::is_event_trigger).await
}

fn is_plain(entry: &Entry) -> bool {
    !entry.is_acl() && !entry.is_row_security() && !entry.is_event_trigger()
}

/// Restores all chosen entries and notes which failed.
async fn bulk(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool, jobs: usize) -> Result<()> {
    let entries: Vec<&Entry> = run.entries.iter().filter(|entry| chosen(entry)).collect();
    let outcome = run.archive.restore(&entries, jobs).await?;
    // After an interruption what exists already was made by us; it is not a failure.
    let said: Vec<String> = outcome
        .complaints
        .iter()
        .filter(|complaint| !(run.report.resumed && says_exists(complaint)))
        .map(|complaint| complaint.sql.clone())
        .collect();
    ledger::add_suspects(&run.session, &outcome.suspects, &said.join("\n")).await
}

async fn judge(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<()> {
    let (suspects, said) = ledger::suspects(&run.session).await?;
    let mut done = BTreeSet::new();
    for entry in run.entries.iter().filter(|entry| chosen(entry)) {
        if !suspects.contains(&entry.id) || !done.insert(entry.id) {
            continue;
        }
        let outcome = run.archive.restore(&[entry], 1).await?;
        let left: Vec<&Complaint> = outcome
            .complaints
            .iter()
            .filter(|complaint| !is_settled(complaint, &said))
            .collect();
        let Some(trouble) = describe(entry, &left) else {
            continue;
        };
        if !run.selection.whole && entry.kind == "FK CONSTRAINT" {
            run.report
                .left_out
                .push(format!("foreign key: {}", entry.describe()));
        } else if is_failure(entry, &left) {
            run.report.failures.push(trouble);
        } else {
            run.report.findings.push(trouble);
        }
    }
    Ok(())
}

/// The first attempt made it, and failed at something else of the same entry.
fn is_settled(complaint: &Complaint, failed_before: &str) -> bool {
    says_exists(complaint) && !complaint.sql.is_empty() && !failed_before.contains(&complaint.sql)
}

fn says_exists(complaint: &Complaint) -> bool {
    const WORDS: [&str; 5] = [
        " already exists",
        "multiple primary keys for table",
        "is already a partition",
        "is already an identity column",
        "is already a member of",
    ];
    let first = complaint.message.lines().next().unwrap_or_default();
    WORDS
        .iter()
        .any(|words| first.contains(words) || complaint.message.contains(words))
}

fn describe(entry: &Entry, complaints: &[&Complaint]) -> Option<Trouble> {
    if complaints.is_empty() {
        return None;
    }
    let why: Vec<&str> = complaints.iter().map(|one| one.message.as_str()).collect();
    let sql: Vec<&str> = complaints.iter().map(|one| one.sql.as_str()).collect();
    Some(Trouble::new(entry.describe(), why.join("\n")).sql(sql.join("\n")))
}

/// Whether data, a key or a constraint is missing; a wrong owner alone is not that.
fn is_failure(entry: &Entry, complaints: &[&Complaint]) -> bool {
    let only_owner = complaints
        .iter()
        .all(|one| one.sql.starts_with("ALTER ") && one.sql.contains(" OWNER TO "));
    let unique = entry.kind == "INDEX"
        && complaints
            .iter()
            .any(|one| one.sql.starts_with("CREATE UNIQUE "));
    !only_owner && (entry.holds_data_together() || unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(message: &str, sql: &str) -> Complaint {
        Complaint {
            message: message.to_owned(),
            sql: sql.to_owned(),
        }
    }

    fn entry(kind: &str) -> Entry {
        Entry {
            id: 1,
            section: Section::PreData,
            kind: kind.to_owned(),
            names: "public t own".to_owned(),
        }
    }

    #[test]
    fn what_the_first_attempt_made_is_settled() {
        let exists = complaint(
            "ERROR:  relation \"t\" already exists",
            "CREATE TABLE t ();",
        );
        let owner = "ALTER TABLE t OWNER TO own;";
        assert!(is_settled(&exists, owner));
        assert!(!is_settled(
            &exists,
            &format!("CREATE TABLE t ();\n{owner}")
        ));
        assert!(!is_settled(
            &complaint("ERROR:  no", "CREATE TABLE t ();"),
            owner
        ));
    }

    #[test]
    fn a_missing_table_or_key_fails_and_a_wrong_owner_does_not() {
        let owner = complaint("ERROR:  role", "ALTER TABLE t OWNER TO own;");
        let table = complaint("ERROR:  type", "CREATE TABLE t (a x);");
        let unique = complaint("ERROR:  dup", "CREATE UNIQUE INDEX i ON t (a);");
        let index = complaint("ERROR:  f", "CREATE INDEX i ON t (f(a));");
        assert!(!is_failure(&entry("TABLE"), &[&owner]));
        assert!(is_failure(&entry("TABLE"), &[&owner, &table]));
        assert!(is_failure(&entry("INDEX"), &[&unique]));
        assert!(!is_failure(&entry("INDEX"), &[&index]));
        assert!(!is_failure(&entry("COMMENT"), &[&index]));
    }
}
