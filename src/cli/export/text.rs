//! How an export is told.

use jiff::SignedDuration;

use crate::cli::render;
use crate::cli::run::Page;
use crate::export::{DatabaseReport, PlannedTable, Report};
use crate::humanize::{age, first_names};
use crate::model::lock::Lock;

pub(super) fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for database in &report.databases {
        match &database.plan {
            Some(plan) => show_plan(&mut page, report, database, plan),
            None => show_done(&mut page, database),
        }
        for left_out in &database.not_covered {
            let names = first_names(&left_out.names, 8);
            page.line(format_args!("  not covered: {}: {names}", left_out.kind));
        }
        for left_out in &database.excluded {
            let (kind, names) = (&left_out.kind, first_names(&left_out.names, 8));
            page.line(format_args!("  left out on request: {kind}: {names}"));
        }
    }
    for uncovered in &report.uncovered {
        let databases = first_names(&uncovered.databases, 8);
        page.line(format_args!(
            "{}: not exported: {databases}",
            uncovered.source
        ));
    }
    page.lines("finding:", &report.findings);
    for failure in &report.failures {
        let source = &failure.source;
        let name = match &failure.database {
            Some(database) => format!("{source}/{database}"),
            None => source.clone(),
        };
        page.line(format_args!("FAILED {name}: {}", failure.error));
        page.line(format_args!("hint: {}", failure.hint));
    }
    page
}

fn lock_text(lock: Option<Lock>) -> String {
    match lock {
        Some(lock) => format!(
            "locked {} until {}",
            lock.mode,
            render::time(lock.retain_until)
        ),
        None => "not locked".to_owned(),
    }
}

fn show_done(page: &mut Page, database: &DatabaseReport) {
    let id = database.id.as_ref().map(ToString::to_string);
    page.line(format_args!(
        "{} of {}/{}: {}, {}, {} of text, {} stored in {}, {}",
        id.unwrap_or_default(),
        database.source,
        database.database,
        render::counted(database.tables, "table", "tables"),
        render::counted(database.rows, "row", "rows"),
        render::bytes(database.copy_bytes),
        render::bytes(database.stored_bytes.unwrap_or(0)),
        render::counted(database.parts, "part", "parts"),
        lock_text(database.lock),
    ));
    if database.parts_named > 0 {
        page.line(format_args!(
            "  {} stored anew; {} of {} named that were stored already",
            render::bytes(database.stored_anew_bytes.unwrap_or(0)),
            render::counted(database.parts_named, "part", "parts"),
            render::bytes(database.named_bytes),
        ));
    }
    show_under_lock(page, database);
    page.line(format_args!(
        "  {} with {}; the snapshot held back vacuum for {}",
        render::seconds(database.seconds),
        render::counted(database.jobs as u64, "session", "sessions"),
        render::seconds(database.snapshot_seconds),
    ));
}

fn show_under_lock(page: &mut Page, database: &DatabaseReport) {
    let Some(under_lock) = &database.under_lock else {
        return;
    };
    let cost = |cost: Option<f64>| {
        let cost = cost.map(|cost| format!(" (costs {cost:.2} a month)"));
        cost.unwrap_or_default()
    };
    let now = render::bytes(under_lock.bytes);
    let later = under_lock.bytes_in_a_month.zip(under_lock.pace_seconds);
    let later = later.map_or_else(String::new, |(bytes, pace)| {
        format!(
            ", {}{} in a month at the pace of the last {}",
            render::bytes(bytes),
            cost(under_lock.cost_in_a_month),
            age(SignedDuration::from_secs(pace)),
        )
    });
    page.line(format_args!(
        "  under lock: {now}{} of this database now{later}",
        cost(under_lock.cost)
    ));
}

/// Compressed to about this share of its size in the database, by experience.
const COMPRESSED: f64 = 0.25;

fn show_plan(page: &mut Page, report: &Report, database: &DatabaseReport, plan: &[PlannedTable]) {
    page.line(format_args!(
        "{}/{}: would export {}, {} in the source, with {}; nothing was stored",
        database.source,
        database.database,
        render::counted(database.tables, "table", "tables"),
        render::bytes(database.copy_bytes),
        render::counted(database.jobs as u64, "session", "sessions"),
    ));
    if !plan.is_empty() {
        // A name in front could pass for a line of lifeboat's own.
        let rows = plan.iter().map(|one| {
            let slices = render::count(one.slices as u64);
            [render::bytes(one.table_bytes), slices, one.table.clone()]
        });
        page.table(">size | >slices | table", rows);
    }
    let stored = database.copy_bytes as f64 * COMPRESSED;
    if let Some(nameable) = &database.nameable {
        page.line(format_args!(
            "  {} of {} are stored already by {} or before, and are named again where their rows are still there",
            render::counted(nameable.parts, "part", "parts"),
            render::bytes(nameable.stored_bytes),
            nameable.base,
        ));
    }
    show_under_lock(page, database);
    page.line(format_args!(
        "{}; about {} stored by a full export",
        lock_text(report.lock),
        render::bytes(stored as u64),
    ));
}
