//! The schema archive in pieces: before the data, after it, privileges last. An entry that fails
//! does not stop the others: it is tried again as long as that helps, and only then reported.

use super::passes;
use super::run::{Failed, Run};
use super::{broken, indexes, outcomes, roles, tables};
use crate::error::Result;
use crate::model::finding::Finding;
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

/// Removes the entries that a drill's database has already, and those that its login cannot make; names
/// the extensions that its server lacks.
fn remove_entries(run: &mut Run<'_>) {
    report_lacking_extensions(run);
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

/// Tables of such an extension are in no entry.
fn report_lacking_extensions(run: &mut Run<'_>) {
    run.report.not_tried.extend(run.not_tried.extensions());
    for table in &run.inputs.catalog.tables {
        if let Some(extension) = run.not_tried.lacks(table.extension.as_ref()) {
            let what = format!(
                "TABLE {} {} of extension {extension}",
                table.name.schema, table.name.name
            );
            let why = "the drill's server does not have the extension: install its package there";
            run.report.unproven.push(Finding::new(what, why));
        }
    }
}

/// Indexes, keys, triggers and the like; then everything that failed, as long as that helps. A table
/// that could be made only now gets its rows. Foreign keys come once the rows are there.
pub(super) async fn after_data(run: &mut Run<'_>) -> Result<()> {
    let keys_wait = restore_after_data(run).await?;
    let mut left = passes::failed(run, |entry| is_plain(entry) && !is_foreign_key(entry)).await?;
    passes::while_they_help(run, &mut left).await?;
    if keys_wait {
        let jobs = run.jobs;
        bulk(run, is_foreign_key, jobs).await?;
    }
    let keys = passes::failed(run, is_foreign_key).await?;
    if !keys.is_empty() {
        left.extend(keys);
        passes::while_they_help(run, &mut left).await?;
    }
    let is_before = |failed: &Failed| failed.entry.section == Section::PreData;
    let (before, after) = left.into_iter().partition(is_before);
    // What a drill could not make excuses rows and sequences that need it.
    report(run, before).await?;
    let mut refused = std::mem::take(&mut run.refused);
    refused.append(&mut run.unset_sequences);
    tables::report(run, refused);
    report(run, after).await
}

/// Tables that did not load yet may hold names of indexes: they are loaded between indexes and
/// triggers. Whether the foreign keys wait until they are.
async fn restore_after_data(run: &mut Run<'_>) -> Result<bool> {
    let jobs = run.jobs;
    let after = |entry: &Entry| entry.section == Section::PostData && is_plain(entry);
    let complete = tables::are_complete(run).await?;
    let built = indexes::build_large(run, &after).await?;
    let after = |entry: &Entry| after(entry) && !built.contains(&entry.id);
    let indexes_first = !complete || !run.own.money_is_plain;
    if indexes_first {
        bulk(run, |entry| after(entry) && entry.makes_index(), jobs).await?;
        tables::load(run).await?;
    }
    run.has_triggers = true;
    let keys_wait = !complete && !tables::are_complete(run).await?;
    let later =
        |entry: &Entry| indexes_first && entry.makes_index() || keys_wait && is_foreign_key(entry);
    bulk(run, |entry| after(entry) && !later(entry), jobs).await?;
    Ok(keys_wait)
}

fn is_foreign_key(entry: &Entry) -> bool {
    entry.kind == "FK CONSTRAINT"
}

/// Tries what failed of the chosen entries again, and reports what is left.
async fn report_failed(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<()> {
    let mut left = passes::failed(run, chosen).await?;
    while passes::again(run, &mut left, |_| true).await? {}
    report(run, left).await
}

async fn report(run: &mut Run<'_>, left: Vec<Failed>) -> Result<()> {
    let (mut comments, others): (Vec<_>, Vec<_>) = left
        .into_iter()
        .partition(|failed| failed.entry.kind == "COMMENT");
    for failed in others {
        broken::report(run, &failed).await?;
    }
    // What they are on may have been made only now, NOT VALID.
    passes::again(run, &mut comments, |_| true).await?;
    for failed in comments {
        broken::report(run, &failed).await?;
    }
    Ok(())
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
    let whole = !run.lacks_objects;
    let now = |entry: &Entry| entry.is_acl() && (whole || entry.kind != "DEFAULT ACL");
    restore_and_report(run, now).await
}

/// Last of all: publications, subscriptions and event triggers would meet our own statements.
pub(super) async fn last(run: &mut Run<'_>) -> Result<()> {
    roles::borrow_database(run).await?;
    restore_and_report(run, Entry::is_replication).await?;
    roles::give_back(run, roles::CREATING).await?;
    restore_and_report(run, Entry::is_event_trigger).await
}

async fn restore_and_report(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool) -> Result<()> {
    bulk(run, &chosen, 1).await?;
    report_failed(run, chosen).await
}

fn is_plain(entry: &Entry) -> bool {
    !(entry.is_acl()
        || entry.is_row_security()
        || entry.is_replication()
        || entry.is_event_trigger())
}

/// Restores all chosen entries.
async fn bulk(run: &mut Run<'_>, chosen: impl Fn(&Entry) -> bool, jobs: usize) -> Result<()> {
    let entries: Vec<&Entry> = run.entries.iter().filter(|entry| chosen(entry)).collect();
    let outcome = run.archive.restore(&entries, jobs).await?;
    outcomes::record(run, &outcome).await
}
