//! `lifeboat restore --into-schema`

use crate::beside::{self, Options, Report, Restored};
use crate::cli::connect;
use crate::cli::render::{self, seconds};
use crate::cli::run::{Access, Answer, Page, Point, Run};
use crate::cli::troubles::show_troubles;
use crate::error::Result;

pub(super) async fn run(
    access: Access,
    point: Point,
    options: Options,
    run: &Run,
) -> Result<Answer> {
    let identities = connect::identity_source(&access, run)?;
    let point = connect::restore_point(&access, &point, run).await?;
    let found = identities.find(&point, run.progress.as_ref()).await?;
    let identities = found.required_by("restore")?;
    let report = beside::run(&point, &identities, &options, run.context()).await?;
    Answer::new(&report, text(&report), report.outcome())
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    let what = match report.dry_run {
        true => "would come into",
        false => "are in",
    };
    page.line(format_args!(
        "{} of {}/{}, as of {}: {} {what} schema {} of {}",
        report.id,
        report.source,
        report.database,
        render::time(report.snapshot_at),
        render::counted(report.rows, "row", "rows"),
        report.schema,
        report.target,
    ));
    if report.dry_run {
        page.line("nothing was changed");
        page.lines("would run:", &report.statements);
    } else {
        for table in &report.tables {
            page.line(line(table));
        }
        page.line(format_args!("took {}", seconds(report.seconds)));
    }
    page.lines("problem:", &report.problems);
    show_troubles(&mut page, "FAILURE", &report.failures);
    show_troubles(&mut page, "finding", &report.findings);
    page.lines("left out:", &report.left_out);
    for next in report.tables.iter().filter_map(|table| table.next.as_ref()) {
        page.line(format_args!("only in the backup: {};", next.only_in_backup));
        page.line(format_args!("only in the target: {};", next.only_in_target));
        page.line(format_args!(
            "to put back what is missing: {};",
            next.put_back
        ));
    }
    page.line(format_args!("to take it away again: {};", report.undo));
    page
}

fn line(table: &Restored) -> String {
    let compared = match table.verified {
        true => "counted, read again and compared",
        false => "counted; what was sent was compared",
    };
    let rows = render::counted(table.rows, "row", "rows");
    format!(
        "table {} from {}: {rows}, {compared}",
        table.into, table.name
    )
}
