//! `lifeboat list`

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::run::{Answer, DatabaseFilter, Page, Run};
use super::snapshot::list::show as show_copies;
use super::states::{StateFilter, none, not_shown};
use super::{connect, render, status};
use crate::error::{Error, Result};
use crate::list::{self, Listing};
use crate::model::left_out;
use crate::model::state::State;
use crate::repository::Leftover;
use crate::snapshot::list::CopyPoint;

/// List restore points, newest last
///
/// Reads all versions, so delete markers hide nothing. Of several databases with more than 200 restore points
/// together, only the newest trusted one is opened and checked of each that has more than 20, the worst database
/// first; of one with more than 200, every point of the two newest days, and of each day before with more than four
/// the newest trusted one and those that were drilled. The others are counted as not opened; --all opens every one.
/// A state is by what was opened: age, size and locks are judged by `lifeboat status` alone. Also shows what exports that did not
/// finish left behind, with its size and when its lock ends. Where the configuration names the backup account and
/// an instance or cluster, copies of RDS snapshots are listed too.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat list\n  \
       lifeboat list --source prod --database courses --json\n  \
       lifeboat list --state urgent,findings\n  \
       lifeboat list --repository s3://backup-bucket/prod --trust FINGERPRINT"
))]
pub(super) struct Args {
    #[command(flatten)]
    filter: DatabaseFilter,
    #[command(flatten)]
    states: StateFilter,
    /// Open every restore point, however many there are
    #[arg(long)]
    all: bool,
}

/// What `list` prints.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    exports: Listing,
    /// `None`: none were asked for.
    snapshot_copies: Option<Vec<CopyPoint>>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let filter = args.filter.resolve()?;
    let (access, config) = run.globals.access_and_maybe_config()?;
    let states = args.states.chosen();
    // Without a key nothing is found, good or bad.
    let access = match states {
        Some(_) => access.with_trust()?,
        None => access,
    };
    let repository = connect::repository(&access, run).await?;
    let options = list::Options {
        source: filter.source.clone(),
        database: filter.database.clone(),
        all: args.all,
        now: run.context().clock.now(),
    };
    let mut exports = list::list(&repository, &access.trust, &options).await?;
    if let Some(states) = states {
        exports.show_only(states);
    }
    repository.note_announced(run.progress.as_ref()).await;
    let copies = async {
        let Some(config) = &config else {
            return Ok(None);
        };
        let found = status::copies(&access, config, &filter, run).await;
        let Some((account, _)) = found else {
            return Ok(None);
        };
        let listing = crate::snapshot::list::list(&account?, filter.source.as_deref()).await?;
        Ok::<_, Error>(Some(listing.copies))
    };
    let snapshot_copies = copies.await.unwrap_or_else(|error| {
        exports.findings.push(format!(
            "snapshot copies could not be listed: {}",
            error.chain()
        ));
        None
    });
    let outcome = exports.outcome();
    let whole = Whole {
        exports,
        snapshot_copies,
    };
    Answer::new(&whole, text(&whole), outcome)
}

fn text(whole: &Whole) -> Page {
    let listing = &whole.exports;
    let mut page = Page::default();
    match listing.not_opened > 0 && listing.databases.len() > 1 {
        true => folded(&mut page, listing),
        false => page.table_or(
            "source | database | restore point | snapshot at | >rows | >stored | locked until | drilled",
            listing.points.iter().map(point),
            none(&listing.repository, listing.not_shown),
        ),
    }
    not_opened(&mut page, listing);
    if listing.points.iter().any(|point| point.trusted.is_none()) {
        page.space();
        page.line("No verification key is trusted: nothing was checked. --trust FINGERPRINT does.");
    }
    let mut told = BTreeSet::new();
    for point in listing.points.iter().rev() {
        let excluded = left_out::words(point.excluded.as_deref().unwrap_or_default());
        // Of a database the newest point that leaves something out.
        if !excluded.is_empty() && told.insert((&point.source, &point.database)) {
            page.line(format_args!(
                "{} leaves out on request: {excluded}",
                point.id
            ));
        }
    }
    if !listing.leftovers.is_empty() {
        page.space();
        page.line(
            "Without a manifest: the export failed or runs now, or the manifest was deleted. They cannot be restored.",
        );
        let headers = "source | database | id | >objects | >stored | unlocked";
        page.table(headers, listing.leftovers.iter().map(leftover));
    }
    if let Some(copies) = &whole.snapshot_copies {
        page.space();
        page.line("Copies of RDS snapshots, restored by `lifeboat snapshot restore`:");
        show_copies(&mut page, copies, "none");
    }
    for finding in &listing.findings {
        page.space();
        page.line(format_args!("finding: {finding}"));
    }
    not_shown(&mut page, listing.not_shown);
    page
}

/// A line for each database, the worst first.
fn folded(page: &mut Page, listing: &Listing) {
    let mut newest: BTreeMap<(&str, &str), &list::Point> = BTreeMap::new();
    let rank = |one: &list::Point| (one.trusted == Some(true), one.stored_at);
    for point in &listing.points {
        // Some databases are opened whole; of others newer ones were passed over.
        let known = newest.entry((&point.source, &point.database));
        let known = known.or_insert(point);
        if rank(point) >= rank(known) {
            *known = point;
        }
    }
    let rows = listing.databases.iter().filter_map(|one| {
        let newest = newest.get(&(&*one.source, &*one.database))?;
        let [source, database, rest @ ..] = point(newest);
        let [id, snapshot_at, rows, stored, locked, drilled] = rest;
        let state = one.state.map_or("not checked", State::as_str).to_owned();
        let points = render::count(one.points);
        Some([
            state,
            source,
            database,
            points,
            id,
            snapshot_at,
            rows,
            stored,
            locked,
            drilled,
        ])
    });
    page.table(
        "state | source | database | >points | newest restore point | snapshot at | >rows | >stored | locked until | drilled",
        rows,
    );
}

fn not_opened(page: &mut Page, listing: &Listing) {
    if listing.not_opened == 0 {
        return;
    }
    let which = match listing.databases.len() {
        1 => "of days with many, the newest was, and those that were drilled; --all shows all",
        _ => "--source and --database show more of a database, --all shows all",
    };
    page.space();
    page.line(format_args!(
        "{} more were not opened, and nothing of them was checked: {which}.",
        render::counted(listing.not_opened, "restore point", "restore points")
    ));
}

fn point(point: &list::Point) -> [String; 8] {
    let shown = |value: Option<String>| {
        value.unwrap_or_else(|| match point.trusted {
            None => "not checked".to_owned(),
            _ => "not trusted".to_owned(),
        })
    };
    [
        point.source.clone(),
        point.database.clone(),
        point.id.clone(),
        shown(point.snapshot_at.map(render::time)),
        shown(point.rows.map(render::count)),
        shown(point.stored_bytes.map(render::bytes)),
        match (point.trusted, point.lock) {
            (Some(true), None) => "not locked".to_owned(),
            (_, lock) => shown(lock.map(|lock| render::time(lock.retain_until))),
        },
        match (point.trusted, point.drilled_at) {
            (Some(true), None) => "none found".to_owned(),
            (_, drilled_at) => shown(drilled_at.map(render::time)),
        },
    ]
}

fn leftover(left: &Leftover) -> [String; 6] {
    let unlocked = left.unlocks_at.map(render::time);
    [
        left.source.clone(),
        left.database.clone(),
        left.id.to_string(),
        render::count(left.objects),
        render::bytes(left.stored_bytes),
        unlocked.unwrap_or_else(|| "not locked".to_owned()),
    ]
}
