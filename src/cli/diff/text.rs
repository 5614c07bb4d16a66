//! The text of a comparison.

use crate::cli::render::{self, Page};
use crate::diff::{Content, DefinitionChange, OneSide, Report, RowsReport, SideFacts};
use crate::escape;
use crate::model::table_change::{Change, TableChange};

/// Of each list.
const SHOWN: usize = 200;
/// Of a definition's text, or of a row.
const CHARS: usize = 1000;

pub(super) fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for (name, side) in [("A", &report.a), ("B", &report.b)] {
        show_side(&mut page, name, side, report);
    }
    if let Some(content) = &report.content {
        show_content(&mut page, content);
    }
    if let Some(rows) = &report.rows {
        show_rows(&mut page, rows);
    }
    page.line(match report.same {
        Some(true) => "the same, as far as it was compared",
        Some(false) => "different",
        None => "no difference found, but not everything was compared: see above",
    });
    page
}

fn show_side(page: &mut Page, name: &str, side: &SideFacts, report: &Report) {
    let at = render::time(side.snapshot_at);
    let place = match &side.server {
        None => format!(" of {}/{}", report.source, report.database),
        Some(_) => String::new(),
    };
    let rows = side.rows.map(|rows| render::counted(rows, "row", "rows"));
    page.line(format_args!(
        "{name}: {}{place}, as of {at}: {}{}",
        side.describe(),
        render::counted(side.tables, "table", "tables"),
        rows.map_or_else(String::new, |rows| format!(", {rows}"))
    ));
}

fn show_content(page: &mut Page, content: &Content) {
    if !content.by_names {
        page.line(
            "compared by OIDs, rows and bytes alone: without an identity neither names nor digests can be read",
        );
    }
    show_some(page, &content.tables, "tables", show_table);
    for one in content.sequences.iter().take(SHOWN) {
        page.line(format_args!(
            "changed: sequence {}.{}: {}, now {}",
            escape::name(&one.schema),
            escape::name(&one.name),
            one.last_value_before,
            one.last_value_after
        ));
    }
    let more = content.sequences.len().saturating_sub(SHOWN);
    show_more(page, more, "sequences");
    if let Some(one) = &content.large_objects {
        let before = render::counted(one.before, "large object", "large objects");
        let content = match one.same_content {
            true => "the same content",
            false => "other content",
        };
        let after = render::count(one.after);
        page.line(format_args!("changed: {before}, now {after}, {content}"));
    }
    for one in &content.materialized_views {
        let rows = |populated, rows: Option<u64>| match (populated, rows) {
            (false, _) => "not filled".to_owned(),
            (true, Some(rows)) => render::counted(rows, "row", "rows"),
            (true, None) => "filled".to_owned(),
        };
        page.line(format_args!(
            "changed: materialized view {}.{}: {}, now {}",
            escape::name(&one.schema),
            escape::name(&one.name),
            rows(one.populated_before, one.rows_before),
            rows(one.populated_after, one.rows_after)
        ));
    }
    let is_told = |one: &&DefinitionChange| !is_table(one, &content.tables);
    let definitions: Vec<&DefinitionChange> = content.definitions.iter().filter(is_told).collect();
    show_some(page, &definitions, "definitions", |page, one| {
        show_definition(page, one);
    });
    page.lines("not compared:", &content.not_compared);
    page.line(format_args!(
        "the same: {}, {}",
        render::counted(content.same_tables, "table", "tables"),
        render::counted(content.same_definitions, "definition", "definitions")
    ));
}

/// Whether a line of its own tells that this table came or went.
fn is_table(one: &DefinitionChange, tables: &[TableChange]) -> bool {
    let [schema, name] = one.name.as_slice() else {
        return false;
    };
    let is_it = |table: &TableChange| {
        table.change == one.change
            && table.schema.as_ref() == Some(schema)
            && table.name.as_ref() == Some(name)
    };
    one.kind == "table" && one.change != Change::Changed && tables.iter().any(is_it)
}

fn show_some<T>(page: &mut Page, all: &[T], what: &str, show: impl Fn(&mut Page, &T)) {
    all.iter().take(SHOWN).for_each(|one| show(page, one));
    show_more(page, all.len().saturating_sub(SHOWN), what);
}

fn show_more(page: &mut Page, more: usize, what: &str) {
    if more > 0 {
        page.line(format_args!("{more} more {what}; --json lists all"));
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Came => "new",
        Change::Went => "GONE",
        Change::Changed => "changed",
    }
}

fn show_table(page: &mut Page, one: &TableChange) {
    let rows = |rows: Option<u64>| render::counted(rows.unwrap_or_default(), "row", "rows");
    let mut facts = match one.change {
        Change::Came => vec![rows(one.rows_after)],
        Change::Went => vec![format!("it had {}", rows(one.rows_before))],
        Change::Changed => {
            let now = render::count(one.rows_after.unwrap_or_default());
            vec![format!("{}, now {now}", rows(one.rows_before))]
        }
    };
    if let Some(before) = &one.renamed_from {
        facts.push(format!("it was called {before}"));
    }
    if one.change == Change::Changed {
        let said = match one.same_rows {
            Some(true) => "its rows are the same",
            Some(false) => "its rows differ",
            None if one.columns_changed => "it has other columns",
            None => "it takes other bytes",
        };
        facts.push(said.to_owned());
    }
    for column in &one.generated_changed {
        facts.push(format!("generated column {} differs", escape::name(column)));
    }
    let (word, what) = (word(one.change), one.what());
    page.line(format_args!("{word}: table {what}: {}", facts.join("; ")));
}

fn show_definition(page: &mut Page, one: &DefinitionChange) {
    page.line(format_args!("{}: {}", word(one.change), one.what));
    for (side, text) in [("before", &one.before), ("after", &one.after)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            page.line(format_args!("  {side}: {}", clipped(text)));
        }
    }
}

fn clipped(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

fn show_rows(page: &mut Page, rows: &RowsReport) {
    let (schema, name) = (escape::name(&rows.schema), escape::name(&rows.name));
    page.line(format_args!(
        "table {schema}.{name}: {} in A, {} in B, {} in both",
        render::count(rows.rows_of_a),
        render::count(rows.rows_of_b),
        render::count(rows.same)
    ));
    if !rows.columns_left_out.is_empty() {
        let left_out: Vec<String> = rows
            .columns_left_out
            .iter()
            .map(|column| escape::name(column))
            .collect();
        page.line(format_args!(
            "compared without columns that are not everywhere: {}",
            left_out.join(", ")
        ));
    }
    show_one_side(page, "A", &rows.only_in_a);
    show_one_side(page, "B", &rows.only_in_b);
}

fn show_one_side(page: &mut Page, name: &str, side: &OneSide) {
    let rows = render::counted(side.rows, "row", "rows");
    page.line(format_args!("only in {name}: {rows}"));
    for one in &side.examples {
        let times = match one.times {
            1 => String::new(),
            times => format!(" ({} times)", render::count(times)),
        };
        page.line(format_args!("  {name}{times}: {}", clipped(&one.row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: Change) -> TableChange {
        TableChange {
            change,
            schema: Some("s".to_owned()),
            name: Some("t\n".to_owned()),
            renamed_from: None,
            oid: 7,
            rows_before: Some(1000),
            rows_after: Some(1),
            bytes_before: None,
            bytes_after: None,
            same_rows: Some(false),
            columns_changed: false,
            generated_changed: Vec::new(),
        }
    }

    #[test]
    fn each_table_is_one_line_that_says_what_became_of_it() {
        let mut page = Page::default();
        for one in [Change::Came, Change::Went, Change::Changed] {
            show_table(&mut page, &change(one));
        }
        let sealed = TableChange {
            schema: None,
            name: None,
            same_rows: None,
            ..change(Change::Changed)
        };
        show_table(&mut page, &sealed);
        assert_eq!(
            page.as_str(),
            "new: table s.t\\n: 1 row\n\
             GONE: table s.t\\n: it had 1,000 rows\n\
             changed: table s.t\\n: 1,000 rows, now 1; its rows differ\n\
             changed: table OID 7: 1,000 rows, now 1; it takes other bytes\n"
        );
    }

    #[test]
    fn texts_and_rows_are_one_line_each_and_not_long() {
        let mut page = Page::default();
        show_definition(
            &mut page,
            &DefinitionChange {
                change: Change::Changed,
                kind: "function".to_owned(),
                name: Vec::new(),
                what: "function s.f()".to_owned(),
                before: Some("a\nb".to_owned()),
                after: Some("x".repeat(2 * CHARS)),
            },
        );
        let lines: Vec<&str> = page.as_str().lines().collect();
        assert_eq!(lines[..2], ["changed: function s.f()", "  before: a\\nb"]);
        assert!(lines[2].ends_with("x…") && lines.len() == 3, "{lines:?}");
    }
}
