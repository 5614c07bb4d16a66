//! `lifeboat history`

use super::run::{Answer, DatabaseFilter, Page, Run};
use super::{connect, render};
use crate::error::Result;
use crate::escape;
use crate::history::{self, DatabaseHistory, Event, Options, Point, Report, TableHistory, Tables};
use crate::model::left_out;
use crate::model::pattern::Pattern;
use crate::model::table_change::Change;
use crate::outcome::Outcome;
use crate::repository::PointSelector;
use crate::status::SHRINK_PERCENT;

/// Show how large a database was at each restore point, oldest first: where did it go?
///
/// Rows and bytes of each point that a trusted key signed, what changed since the one before, and where
/// it jumped: lost a table, or more of its rows than `limits.shrink_percent`. What a point leaves out on request
/// is said, and is no jump. With --table only of the tables that match, and when each came and went.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat history --database courses\n  \
       lifeboat history --table public.answer --identity break-glass.key\n  \
       lifeboat history --table 'audit*' --source prod --database courses --json"
))]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    /// Only tables that match, as psql has it: schema.name, or name in every schema; * is any text, ?
    /// any character, double quotes keep a name as it stands. Names are sealed: it needs an identity
    #[arg(long, value_name = "PATTERN")]
    table: Option<String>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let pattern: Option<Pattern> = args.table.as_deref().map(str::parse).transpose()?;
    let (access, config) = run.globals.access_and_maybe_config()?;
    let access = access.with_trust()?;
    let repository = connect::repository(&access, run).await?;
    let tables = match pattern {
        None => None,
        Some(pattern) => {
            // One for all: that of the newest point.
            let source = connect::identity_source(&access, run)?;
            let of = (filter.source.as_deref(), filter.database.as_deref());
            let found = repository.find(of.0, of.1).await?;
            let newest = repository.newest_trusted(found, &access.trust, usize::MAX);
            let identities = match newest.await? {
                Some(newest) => source.find(&newest, run.progress.as_ref()).await?,
                None => {
                    let latest = PointSelector::Latest;
                    let opened = repository.open_chosen(&latest, of, &access.trust);
                    source.find(&opened.await?.0, run.progress.as_ref()).await?
                }
            };
            let identities = identities.required_by("history --table")?;
            Some(Tables {
                pattern,
                identities,
            })
        }
    };
    let limits = config.as_ref().map(|config| config.limits.status);
    let options = Options {
        source: filter.source,
        database: filter.database,
        tables,
        shrink_percent: limits.map_or(SHRINK_PERCENT, |limits| limits.shrink_percent),
    };
    let report = history::history(&repository, &access.trust, &options, run.context()).await?;
    repository.note_announced(run.progress.as_ref()).await;
    let outcome = Outcome::from_counts(0, report.findings.len());
    Answer::new(&report, text(&report), outcome)
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for one in &report.databases {
        show_database(&mut page, one);
        page.space();
    }
    if report.databases.is_empty() {
        page.line(format_args!("no restore point in {}", report.repository));
    }
    page.lines("finding:", &report.findings);
    page
}

fn show_database(page: &mut Page, one: &DatabaseHistory) {
    let of = match &one.tables {
        None => "",
        Some(_) => ", of the tables that match",
    };
    page.line(format_args!("{}/{}{of}", one.source, one.database));
    let headers =
        "snapshot at | restore point | >tables | >rows | >change | >bytes | >change | jump";
    page.table(headers, one.points.iter().map(point));
    for table in one.tables.iter().flatten() {
        show_table(page, table);
    }
}

fn point(one: &Point) -> [String; 8] {
    let bytes = |bytes: u64| render::bytes(bytes);
    [
        render::time(one.snapshot_at),
        one.id.to_string(),
        render::count(one.tables),
        render::count(one.rows),
        change(one.rows_change, render::count),
        bytes(one.copy_bytes),
        change(one.bytes_change, bytes),
        told(one),
    ]
}

/// Where it jumped, and why it may not be said to.
fn told(one: &Point) -> String {
    let words = left_out::words(&one.excluded);
    let left_out = (!words.is_empty()).then(|| format!("left out on request: {words}"));
    let told: Vec<String> = one.jumps.iter().cloned().chain(left_out).collect();
    told.join("; ")
}

/// `+1,000`, `-990`, `0`; nothing where there is no point before.
fn change(change: Option<i64>, words: impl Fn(u64) -> String) -> String {
    let Some(change) = change else {
        return String::new();
    };
    let sign = match change {
        0 => return "0".to_owned(),
        1.. => '+',
        _ => '-',
    };
    format!("{sign}{}", words(change.unsigned_abs()))
}

/// Of one table.
const EVENTS_SHOWN: usize = 40;

fn show_table(page: &mut Page, table: &TableHistory) {
    let (schema, name) = (escape::name(&table.schema), escape::name(&table.name));
    page.line(format_args!("table {schema}.{name}:"));
    let more = table.events.len().saturating_sub(EVENTS_SHOWN);
    if more > 0 {
        page.line(format_args!(
            "  {} before; --json lists all",
            render::counted(more as u64, "event", "events")
        ));
    }
    for one in &table.events[more..] {
        let (at, id) = (render::time(one.snapshot_at), &one.id);
        page.line(format_args!("  {at}  {id}  {}", event(one)));
    }
}

fn event(one: &Event) -> String {
    let rows = |rows: Option<u64>| render::counted(rows.unwrap_or_default(), "row", "rows");
    match one.change {
        None => format!("there: {}", rows(one.rows)),
        Some(Change::Came) => format!("CAME: {}", rows(one.rows)),
        Some(Change::Went) => format!("GONE: it had {}", rows(one.rows_before)),
        Some(Change::Changed) => {
            let now = render::count(one.rows.unwrap_or_default());
            format!("{}, now {now}", rows(one.rows_before))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign() {
        let words = |number| change(number, render::count);
        assert_eq!(words(Some(1_000)), "+1,000");
        assert_eq!(words(Some(-1)), "-1");
        assert_eq!(words(Some(0)), "0");
        assert_eq!(words(None), "");
        assert_eq!(words(Some(i64::MIN)), "-9,223,372,036,854,775,808");
    }
}
