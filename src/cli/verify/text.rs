//! How a verification is told.

use crate::cli::render;
use crate::cli::run::{Answer, Page};
use crate::error::Result;
use crate::verify::Report;

pub(crate) fn answer(report: &Report) -> Result<Answer> {
    Answer::new(report, text(report), report.outcome())
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    page.lines("problem:", &report.problems);
    if report.problems_in_all > report.problems.len() as u64 {
        let all = render::count(report.problems_in_all);
        page.line(format_args!("{all} problems in all"));
    }
    page.lines("finding:", &report.findings);
    let depth = match (report.data, report.rows) {
        (false, _) if report.listed => {
            "parts as listings and locks show them: these credentials may not read them".to_owned()
        }
        (false, _) => "as the store reports them; --data reads every byte".to_owned(),
        (true, None) => "every byte read; --identity also opens and counts".to_owned(),
        (true, Some(rows)) => {
            let rows = render::counted(rows, "row", "rows");
            match report.problems_in_all {
                0 => format!("every byte read, {rows} counted and digested again"),
                _ => format!(
                    "every byte read; what is damaged was not opened, {rows} of the rest counted and \
                     digested again"
                ),
            }
        }
    };
    page.line(format_args!(
        "{} of {}/{}: {}, {}, {depth} ({})",
        report.id,
        report.source,
        report.database,
        render::counted(report.objects, "object", "objects"),
        render::bytes(report.stored_bytes),
        render::seconds(report.seconds),
    ));
    if !report.locked {
        page.line("not locked: anybody who may write there may delete it");
    }
    page.line(match report.problems_in_all {
        0 => "sound",
        _ if report.locked => "DAMAGED: hold and restore another point",
        _ => "DAMAGED: restore another point",
    });
    page
}
