//! The schema archive in pieces: before the data, after it, privileges last. An entry that fails
//! does not stop the others: it is tried once more at the end, and only then reported.

use std::collections::BTreeSet;

use super::not_tried::{Judgement, is_failure, without_leakproof};
use super::run::Run;
use super::tables::Attempt;
use super::{roles, tables};
use crate::error::Result;
use crate::model::finding::Finding;
use crate::pg::target::archive::{Complaint, Outcome};
use crate::pg::target::execute;
use crate::pg::target::statements::Statement;
use crate::pg::target::toc::{Entry, Section};

/// Tables, types, functions: all that the data needs, without privileges.
pub(super) async fn before_data(run: &mut Run<'_>) -> Result<()> {
    remove_entries(run);
    let owners = roles::owners(run);
    roles::borrow_owners(run, &owners).await?;
    let before = |entry: &Entry| entry.section == Section::PreData && is_plain(entry);
    bulk(run, |entry| before(entry) && entry.kind == "SCHEMA", 1).await?;
    roles::borrow_schemas(run, &owners).await?;
    bulk(run, |entry| before(entry) && entry.kind != "SCHEMA", 1).await
}

/// Removes the entries that a drill's database has already, and those that a powerless login cannot
/// make.
fn remove_entries(run: &mut Run<'_>) {
    if !run.inputs.options.is_powerless() {
        return;
    }
    for entry in run.entries.extract_if(.., |entry| entry.is_event_trigger()) {
        // Comments on event triggers go too, but are not named.
        if entry.kind == "EVENT TRIGGER" {
            let not_tried = run.not_tried.add(&entry);
            run.report.not_tried.push(not_tried);
        }
    }
    run.entries.retain(|entry| !entry.is_extension());
}

/// Indexes, keys, triggers and the like; then everything that failed once more.
pub(super) async fn after_data(run: &mut Run<'_>) -> Result<()> {
    restore_after_data(run).await?;
    retry(run).await
}

/// Tables that did not load yet may hold names of indexes: they are loaded between indexes and
/// triggers.
async fn restore_after_data(run: &mut Run<'_>) -> Result<()> {
    let jobs = run.jobs;
    let after = |entry: &Entry| entry.section == Section::PostData && is_plain(entry);
    let complete = tables::are_complete(run).await?;
    if complete && run.own.money_is_plain {
        return bulk(run, after, jobs).await;
    }
    bulk(run, |entry| after(entry) && entry.makes_index(), jobs).await?;
    if !complete {
        tables::restore(run, Attempt::WithIndexes).await?;
    }
    bulk(run, |entry| after(entry) && !entry.makes_index(), jobs).await
}

/// Tries every failed entry once more, one by one, and reports what still fails. A table that could be
/// made only now, after somebody mended what it lacked, gets its rows.
async fn retry(run: &mut Run<'_>) -> Result<()> {
    let before = |entry: &Entry| entry.section == Section::PreData;
    report_failed(run, |entry| is_plain(entry) && before(entry)).await?;
    if !tables::are_complete(run).await? {
        tables::restore(run, Attempt::Last).await?;
    }
    report_failed(run, |entry| is_plain(entry) && !before(entry)).await
}

/// Row security, grants, revokes and default privileges, once nothing needs more rights than they
/// leave.
pub(super) async fn privileges(run: &mut Run<'_>) -> Result<()> {
    roles::give_back(run, roles::CREATING).await?;
    restore_and_report(run, Entry::is_row_security).await?;
    if run.inputs.options.no_privileges {
        return Ok(());
    }
    // What --resume makes must not get default privileges that its own do not take away.
    let whole = run.report.failures.is_empty();
    let now = |entry: &Entry| entry.is_acl() && (whole || entry.kind != "DEFAULT ACL");
    restore_and_report(run, now).await
}

/// Last of all: they would meet our own statements.
pub(super) async fn event_triggers(run: &mut Run<'_>) -> Result<()> {
    restore_and_report(run, Entry::is_event_trigger).await
}

async fn restore_and_report(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<()> {
    bulk(run, &chosen, 1).await?;
    report_failed(run, chosen).await
}

fn is_plain(entry: &Entry) -> bool {
    !entry.is_acl() && !entry.is_row_security() && !entry.is_event_trigger()
}

/// Entries that are tried again together while all goes well.
const BATCH: usize = 100;

/// Restores all chosen entries and records which failed.
async fn bulk(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool, jobs: usize) -> Result<()> {
    let entries: Vec<&Entry> = run.entries.iter().filter(|entry| chosen(entry)).collect();
    let outcome = run.archive.restore(&entries, jobs).await?;
    // The target was empty: what exists at the very first attempt was not made by us. What exists
    // after an interruption was, and so were the schemas and casts that a drill prepared.
    let prepared = |sql: &str| {
        let makes = |what: &str| sql.starts_with(what);
        run.inputs.options.is_powerless() && (makes("CREATE SCHEMA ") || makes("CREATE CAST "))
    };
    let conflicts: Vec<&str> = outcome
        .complaints
        .iter()
        .filter(|complaint| says_exists(&complaint.message))
        .map(|complaint| complaint.sql.as_str())
        .filter(|sql| !run.report.resumed && !prepared(sql))
        .collect();
    run.state
        .add_suspects(&run.session, &outcome.suspects, &conflicts)
        .await
}

/// Tries the failed ones of the chosen entries again, and reports those that still fail.
async fn report_failed(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<()> {
    let suspects = run.state.suspects(&run.session).await?;
    let conflicts = run.state.conflicts(&run.session).await?;
    let failed = |entry: &&Entry| chosen(entry) && suspects.contains(&entry.id);
    let entries: Vec<Entry> = run.entries.iter().filter(failed).cloned().collect();
    for batch in entries.chunks(BATCH) {
        // Which entry a complaint belongs to is certain only where there is one entry.
        let batch: Vec<&Entry> = batch.iter().collect();
        let together = run.archive.restore(&batch, 1).await?;
        if left(&together.complaints, &conflicts).is_empty() {
            continue;
        }
        for entry in batch {
            let mut outcome = run.archive.restore(&[entry], 1).await?;
            if run.inputs.options.is_powerless() && made_without_leakproof(run, &outcome).await? {
                outcome = run.archive.restore(&[entry], 1).await?;
            }
            let left = left(&outcome.complaints, &conflicts);
            if !left.is_empty() {
                report_complaints(run, entry, &left);
            }
        }
    }
    Ok(())
}

fn report_complaints(run: &mut Run<'_>, entry: &Entry, complaints: &[&Complaint]) {
    let join = |text: fn(&Complaint) -> &str| {
        let texts: Vec<&str> = complaints.iter().map(|one| text(one)).collect();
        texts.join("\n")
    };
    let (message, sql) = (join(|one| &one.message), join(|one| &one.sql));
    let finding = Finding::new(entry.describe(), message).sql(sql);
    let judgement = if run.inputs.options.is_powerless() {
        run.not_tried.judge(entry, complaints)
    } else {
        Judgement::Broken
    };
    let report = &mut run.report;
    match judgement {
        Judgement::NotTried => report.not_tried.push(run.not_tried.named(entry)),
        Judgement::Unproven => report.unproven.push(finding),
        Judgement::Broken if !run.inputs.selection.whole && entry.kind == "FK CONSTRAINT" => {
            let left_out = format!("foreign key: {}", entry.describe());
            report.left_out.push(left_out);
        }
        Judgement::Broken if is_failure(entry, complaints) => report.failures.push(finding),
        Judgement::Broken => report.findings.push(finding),
    }
}

/// Makes a function that only a superuser may declare leakproof without that word.
async fn made_without_leakproof(run: &Run<'_>, outcome: &Outcome) -> Result<bool> {
    let mut complaints = outcome.complaints.iter();
    let Some(sql) = complaints.find_map(without_leakproof) else {
        return Ok(false);
    };
    let about = "a function that is leakproof in the backup";
    let refused = execute::each(&run.session, &[Statement::new(about, sql)]).await?;
    Ok(refused.is_empty())
}

/// What remains to complain of when things that an earlier attempt made are left aside.
fn left<'a>(complaints: &'a [Complaint], conflicts: &BTreeSet<String>) -> Vec<&'a Complaint> {
    let made_before = |one: &Complaint| {
        says_exists(&one.message) && !one.sql.is_empty() && !conflicts.contains(&one.sql)
    };
    complaints.iter().filter(|one| !made_before(one)).collect()
}

/// Whether the server refused to make something twice. Names stand between the first and the last
/// quote, as they are, quotes and line breaks included: only what is around them is read.
fn says_exists(message: &str) -> bool {
    const WORDS: [&str; 4] = [
        " already exists",
        " is already a partition",
        " is already an identity column",
        "multiple primary keys for table ",
    ];
    // These show names without quotes, and could so contain the words above.
    const OTHERS: [&str; 3] = [" does not exist", "permission denied", "must be "];
    let more = |line: &&str| {
        ["LINE ", "DETAIL: ", "HINT: ", "CONTEXT: "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    let said: Vec<&str> = message.lines().take_while(|line| !more(line)).collect();
    let said = said.join("\n");
    let (before, rest) = said.split_once('"').unwrap_or((&said, ""));
    let after = rest.rsplit('"').next().unwrap_or_default();
    let around = |words: &str| before.contains(words) || after.contains(words);
    // These have words between two names; nothing else begins and ends as they do.
    const BETWEEN: [(&str, &str); 3] = [
        ("relation", "is already member of publication"),
        ("schema", "is already member of publication"),
        ("user mapping for", "already exists for server"),
    ];
    let is_between = |(kind, words): &(&str, &str)| {
        said.starts_with(&format!("ERROR:  {kind} \"")) && said.contains(&format!("\" {words} \""))
    };
    let between = after.is_empty() && BETWEEN.iter().any(is_between);
    // The text search commands leave it to the catalog's index.
    let text_search =
        said.starts_with("ERROR:  duplicate key value violates unique constraint \"pg_ts_");
    between
        || text_search
        || (WORDS.iter().any(|words| around(words)) && !OTHERS.iter().any(|words| around(words)))
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

    #[test]
    fn what_an_earlier_attempt_made_is_left_aside() {
        let exists = complaint(
            "ERROR:  relation \"t\" already exists",
            "CREATE TABLE t ();",
        );
        let all = [
            exists,
            complaint("ERROR:  role", "ALTER TABLE t OWNER TO own;"),
        ];
        assert_eq!(left(&all, &BTreeSet::new()), [&all[1]]);
        let conflicts = BTreeSet::from(["CREATE TABLE t ();".to_owned()]);
        assert_eq!(left(&all, &conflicts).len(), 2);
    }

    #[test]
    fn names_do_not_pretend_that_something_exists() {
        for message in [
            "ERROR:  relation \"t\" already exists",
            "ERROR:  constraint \"a\nb\" for relation \"t\nu\" already exists",
            "ERROR:  multiple primary keys for table \"t\" are not allowed",
            "ERROR:  relation \"t\" is already member of publication \"pub\"lic\"",
            "ERROR:  \"p1\" is already a partition",
            "ERROR:  relation \"a\"b\nc\" already exists\nHINT:  drop \"it\"",
            "ERROR:  function 1(integer) already exists in operator family \"x\"",
        ] {
            assert!(says_exists(message), "{message}");
        }
        for message in [
            "ERROR:  relation \"a already exists\" does not exist",
            "ERROR:  relation \"a\" already exists \"b\" does not exist",
            "ERROR:  permission denied for table a already exists",
            "ERROR:  syntax error at or near \"x\"\nDETAIL:  it already exists",
        ] {
            assert!(!says_exists(message), "{message}");
        }
    }
}
