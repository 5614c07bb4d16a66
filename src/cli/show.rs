//! `lifeboat show`

use super::run::{Answer, Page, PointArgs, Run};
use super::{connect, render};
use crate::error::Result;
use crate::list::{self, Shown};
use crate::model::catalog::Table;
use crate::model::lock::Lock;
use crate::outcome::Outcome;

/// Show what one restore point holds
///
/// Times, sizes, rows, lock, who can open it, and what it does not cover. Names of tables are
/// sealed: with an identity, by --identity or kept by KMS, they are shown too.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat show latest\n  \
       lifeboat show 20261121T020000Z-k3v9q2 --identity break-glass.key\n  \
       lifeboat show latest --source prod --database courses --json"
))]
pub(super) struct Args {
    #[command(flatten)]
    point: PointArgs,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let point = args.point.resolve()?;
    let access = run.globals.access()?.with_trust()?;
    let identities = connect::identity_source(&access, run)?;
    let point = connect::restore_point(&access, &point, run).await?;
    let found = identities.find(&point, run.progress.as_ref()).await?;
    if let Some(refusal) = &found.refusal {
        run.progress.note(&format!(
            "names are not shown: {}; {}",
            refusal.chain(),
            refusal.advice()
        ));
    }
    let url = access.repository.location.to_string();
    let shown = list::show(&point, &url, &found.identities).await?;
    Answer::new(&shown, text(&shown), Outcome::Done)
}

fn text(shown: &Shown) -> Page {
    let mut page = Page::default();
    let headers = format!("restore point | {}", shown.manifest.id);
    page.table(&headers, summary(shown));
    if let Some(catalog) = &shown.catalog {
        page.space();
        // A name in front could pass for a line of lifeboat's own.
        let headers = ">rows | >in the source | digest | table";
        page.table(headers, catalog.tables.iter().map(table));
    }
    page
}

fn summary(shown: &Shown) -> Vec<[String; 2]> {
    let manifest = &shown.manifest;
    let lock = |lock: Option<Lock>| {
        lock.map_or_else(
            || "not locked".to_owned(),
            |lock| format!("{} until {}", lock.mode, render::time(lock.retain_until)),
        )
    };
    let (stored, tables) = (render::bytes(shown.stored_bytes), manifest.user_tables());
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push([name.to_owned(), value]);
    line("of", format!("{}/{}", manifest.source, manifest.database));
    line("in", shown.repository.clone());
    line("snapshot at", render::time(manifest.snapshot_at));
    line("server", format!("PostgreSQL {}", manifest.server_version));
    line("tables", render::count(tables.count() as u64));
    line("rows", render::count(shown.rows));
    line("COPY text", render::bytes(shown.copy_bytes));
    line(
        "stored",
        format!(
            "{stored} in {}",
            render::counted(shown.parts, "part", "parts")
        ),
    );
    line("manifest's lock", lock(shown.lock));
    line("parts' lock", lock(manifest.lock));
    line("run", manifest.run.to_string());
    let (tool, major) = (&manifest.tool, manifest.pg_dump_major);
    line("made by", format!("{tool}, pg_dump {major}"));
    for name in &shown.unknown {
        line("needs", format!("{name}, which this lifeboat cannot read"));
    }
    line("signed by", shown.signed_by.clone());
    for recipient in &manifest.recipients {
        line("opens for", recipient.clone());
    }
    for left_out in &manifest.not_covered {
        let (count, kind) = (left_out.count, &left_out.kind);
        line("not covered", format!("{kind}: {count}"));
    }
    for left_out in &manifest.excluded {
        let (count, kind) = (left_out.count, &left_out.kind);
        line("left out on request", format!("{kind}: {count}"));
    }
    lines
}

fn table(one: &Table) -> [String; 4] {
    [
        render::count(one.digest.rows),
        render::bytes(one.table_bytes),
        format!("{:032x}", one.digest.sum),
        one.name.to_string(),
    ]
}
