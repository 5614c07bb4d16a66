//! `diff --rows`: rows of one table that only one side has, as multisets.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::columns::Columns;
use super::digests::{Batch, FoundRow};
use super::report::{OneSide, RowExample, RowsReport};
use super::side::Side;
use super::spill::{Spill, SpillOptions, Whose};
use crate::compute;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::catalog::Table;
use crate::model::name::Name;
use crate::model::selection::TableName;
use crate::opaque;

pub struct RowsOptions {
    pub table: TableName,
    /// How many rows of each side are shown.
    pub show: usize,
    pub spill: SpillOptions,
}

/// One side's tables: the one that is meant, or its partitions.
struct Chosen<'a> {
    side: &'a Side<'a>,
    name: &'a Name,
    tables: Vec<&'a Table>,
}

impl<'a> Chosen<'a> {
    fn new(side: &'a Side<'a>, table: &TableName) -> Result<Self> {
        let Some(catalog) = side.catalog() else {
            let what = "--rows needs an identity: names and rows are sealed";
            return Err(Error::usage(what).hint("pass --identity FILE"));
        };
        let found = table.find(catalog);
        let of_group = found.iter().flat_map(|(_, tables)| tables);
        let mut names: Vec<&Name> = of_group.map(|table| &table.name).collect();
        let (gone, unread) = match &found {
            Ok(_) => (Vec::new(), &[][..]),
            Err(_) => (catalog.left_out.tables().collect(), side.unreadable()),
        };
        names.retain(|name| catalog.left_out.rows.contains(name));
        let meant = |name: &&Name| {
            let schema = table.schema.as_ref();
            table.name == name.name && schema.is_none_or(|schema| *schema == name.schema)
        };
        names.extend(gone.iter().map(|(_, name)| name).filter(meant));
        if let Some(name) = names.first() {
            let what = format!(
                "{} leaves rows of {name} out on request",
                side.facts.describe()
            );
            return Err(Error::refused(what)
                .hint("compare points that hold them; `lifeboat show ID` tells what is left out"));
        }
        if let Some(name) = unread.iter().find(meant) {
            let what = format!("{name} is an unlogged table, which has no rows on a standby");
            return Err(Error::refused(what).hint("compare with the primary"));
        }
        let (name, tables) = found.map_err(|why| {
            let what = format!("{}: {why}", side.facts.describe());
            Error::not_found(what).hint("`lifeboat show ID --identity FILE` lists the tables")
        })?;
        Ok(Self { side, name, tables })
    }

    fn encoding(&self) -> Option<&str> {
        let catalog = self.side.catalog();
        catalog.map(|catalog| catalog.database.encoding.as_str())
    }
}

/// Compares. Rows are read once, and those that are shown once more.
pub(super) async fn compare(
    sides: [&Side<'_>; 2],
    options: &RowsOptions,
    jobs: usize,
    context: Context<'_>,
) -> Result<RowsReport> {
    let [a, b] = sides;
    let (a, b) = (
        Chosen::new(a, &options.table)?,
        Chosen::new(b, &options.table)?,
    );
    if a.encoding() != b.encoding() {
        let [one, other] = [&a, &b].map(|side| side.encoding().unwrap_or_default().to_owned());
        return Err(Error::refused(format!(
            "rows of A are bytes of {one}, rows of B of {other}: nothing tells which are the same"
        ))
        .hint("without --rows, diff compares how many there are"));
    }
    let tables = a.tables.iter().chain(&b.tables);
    let columns: Vec<&[String]> = tables.map(|table| table.columns.as_slice()).collect();
    let columns = Columns::shared_by(&columns).ok_or_else(|| {
        Error::refused(format!("{}: no column is there on both sides", a.name))
            .hint("without --rows, diff shows which columns changed")
    })?;
    let expected = a.side.most_rows(&a.tables) + b.side.most_rows(&b.tables);
    let mut spill = Spill::new(&options.spill, expected)?;
    let mut counts = [0_u64; 2];
    for (chosen, whose) in [(&a, Whose::A), (&b, Whose::B)] {
        let side = chosen.side;
        let phase = format!("rows of {}", side.facts.describe());
        let bytes = Some(side.rows_bytes(&chosen.tables));
        context.progress.phase(&phase, bytes);
        let rows = side.rows(&chosen.tables, &columns, None)?;
        let mut take = |batch: Batch| {
            counts[whose as usize] += batch.digests.len() as u64;
            for digest in batch.digests {
                spill.add(whose, digest)?;
            }
            Ok(ControlFlow::Continue(()))
        };
        let reading = rows.read(jobs, context.progress, &mut take);
        context.interrupt.or(reading).await?;
    }
    context.progress.phase("comparing", None);
    let (keep, interrupt) = (options.show, context.interrupt.clone());
    // It ends by itself where somebody stops us, and only then is its folder gone.
    let compared = compute::on_own_thread(move || spill.compare(keep, &interrupt));
    let difference = compared.await??;
    let examples_of_a = examples(&a, &columns, difference.some_of_a, jobs, context).await?;
    let examples_of_b = examples(&b, &columns, difference.some_of_b, jobs, context).await?;
    let name = b.name;
    Ok(RowsReport {
        schema: name.schema.clone(),
        name: name.name.clone(),
        columns: columns.compared,
        columns_left_out: columns.left_out,
        same: counts[0].saturating_sub(difference.only_a),
        only_in_a: OneSide {
            rows: difference.only_a,
            examples: examples_of_a,
        },
        only_in_b: OneSide {
            rows: difference.only_b,
            examples: examples_of_b,
        },
        rows_of_a: counts[0],
        rows_of_b: counts[1],
    })
}

/// Reads again until the rows of these digests are found.
async fn examples(
    chosen: &Chosen<'_>,
    columns: &Columns,
    times: BTreeMap<u128, u64>,
    jobs: usize,
    context: Context<'_>,
) -> Result<Vec<RowExample>> {
    if times.is_empty() {
        return Ok(Vec::new());
    }
    let side = chosen.side;
    let phase = format!("looking for rows of {}", side.facts.describe());
    let bytes = Some(side.rows_bytes(&chosen.tables));
    context.progress.phase(&phase, bytes);
    let wanted: BTreeSet<u128> = times.keys().copied().collect();
    let rows = side.rows(&chosen.tables, columns, Some(&Arc::new(wanted)))?;
    let mut found: BTreeMap<u128, FoundRow> = BTreeMap::new();
    let mut take = |batch: Batch| {
        for row in batch.rows {
            found.entry(row.digest).or_insert(row);
        }
        Ok(match found.len() < times.len() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    };
    let reading = rows.read(jobs, context.progress, &mut take);
    context.interrupt.or(reading).await?;
    let mut examples: Vec<RowExample> = found
        .into_values()
        .map(|row| RowExample {
            row: opaque::text(&row.text),
            bytes: row.bytes,
            times: times.get(&row.digest).copied().unwrap_or_default(),
        })
        .collect();
    examples.sort_by(|one, other| one.row.cmp(&other.row));
    Ok(examples)
}
