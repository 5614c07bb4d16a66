//! What comes after the data: sequences, materialized views, the database's own properties,
//! statistics.

use std::collections::BTreeSet;

use super::broken;
use super::run::Run;
use crate::error::{Error, Kind, Result};
use crate::model::attestation::NotTried;
use crate::model::catalog::{MaterializedView, Name};
use crate::model::finding::Finding;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::statements::{self, Statement};
use crate::pg::target::toc::Entry;
use crate::pg::target::{execute, foreign, server};

/// Sessions of ours beside those of jobs.
const BESIDE_JOBS: usize = 8;

/// Sets every sequence; one that cannot be set is a failure. In a drill it may be one of a table that could
/// not be made: that is known only later.
pub(super) async fn sequences(run: &mut Run<'_>) -> Result<()> {
    let sequences = run.inputs.catalog.sequences.iter();
    let statements: Vec<Statement> = sequences.map(statements::set_sequence).collect();
    let refused = execute::batched(&run.session, &statements).await?;
    if run.inputs.options.drill {
        run.unset_sequences = refused;
    } else {
        run.report.failures.extend(refused);
    }
    Ok(())
}

/// Fills the materialized views that were filled, in their order.
pub(super) async fn materialized_views(run: &mut Run<'_>) -> Result<()> {
    let views = run.inputs.catalog.materialized_views.iter().cloned();
    let (chosen, others): (Vec<_>, Vec<_>) = views
        .filter(|view| view.populated)
        .partition(|view| run.inputs.selection.has_view(view));
    let left_out = others.iter();
    let left_out = left_out.map(|view| format!("materialized view {}, not filled", view.name));
    run.report.left_out.extend(left_out);
    let foreign = foreign::views(&run.session).await?;
    let (foreign, chosen): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|view| foreign.contains(&view.name));
    report_foreign(run, &foreign);
    let application = run.inputs.application();
    let session = Session::connect(&run.own.server, &application, Purpose::Compute).await?;
    // The database's own setting may say that none are read.
    session.allow_views().await?;
    let refused = refresh(&session, statements::refresh(&chosen)).await?;
    session.close().await;
    report_refused(run, "materialized view", refused);
    Ok(())
}

/// A view that reads another one through a function comes after it, which no dependency says: what failed
/// is tried again as long as one more succeeds.
async fn refresh(session: &Session, mut views: Vec<Statement>) -> Result<Vec<Finding>> {
    loop {
        let refused = execute::each(session, &views).await?;
        if refused.is_empty() || refused.len() == views.len() {
            return Ok(refused);
        }
        views.retain(|view| refused.iter().any(|one| one.what == view.about));
    }
}

/// A restore connects to nothing but its target: views that read from other servers are left to a
/// person.
fn report_foreign(run: &mut Run<'_>, views: &[MaterializedView]) {
    if run.inputs.options.is_powerless() {
        run.report
            .not_tried
            .extend(views.iter().map(|view| NotTried {
                kind: "materialized view".to_owned(),
                name: view.name.to_string(),
            }));
        return;
    }
    let by_hand = statements::refresh(views).into_iter().map(|one| {
        let why = "not filled: it reads from another server, which a restore leaves alone; \
                   where that server is the right one, run this";
        Finding::new(one.about, why).sql(one.sql)
    });
    run.report.findings.extend(by_hand);
}

/// Statements of our own, about objects of this kind, that a drill's login could not run are not
/// tried, and those that found no room are failures; the others are findings.
pub(super) fn report_refused(run: &mut Run<'_>, kind: &str, refused: Vec<Finding>) {
    for finding in refused {
        if run.not_tried.excuses(&finding.why) {
            let name = finding.what.strip_prefix(kind).unwrap_or(&finding.what);
            run.report.not_tried.push(NotTried {
                kind: kind.to_owned(),
                name: name.trim_start().to_owned(),
            });
        } else if broken::lacks_space(&finding.why) {
            run.report.failures.push(finding);
        } else {
            run.report.findings.push(finding);
        }
    }
}

/// Whether the restore, when it goes on, could need more sessions than the database's limit allows. It binds no
/// superuser.
pub(super) fn limit_keeps_out(run: &Run<'_>, limit: i32) -> bool {
    let needed = i32::try_from(run.jobs + BESIDE_JOBS).unwrap_or(i32::MAX);
    let binds = !run.facts.rights.superuser && (0..needed).contains(&limit);
    binds && !run.report.failures.is_empty()
}

/// Owner, ACL, comment and limit of the database itself.
pub(super) async fn database(run: &mut Run<'_>) -> Result<()> {
    let inputs = run.inputs;
    let mut database = inputs.catalog.database.clone();
    if inputs.options.is_powerless() {
        // Assertions still have to get in.
        database.connection_limit = -1;
        database.is_template = false;
    } else if limit_keeps_out(run, database.connection_limit) {
        run.report.to_do.push(format!(
            "the database's connection limit, {}, is set once nothing is missing",
            database.connection_limit
        ));
        database.connection_limit = -1;
    }
    let name = &inputs.target.database;
    let statements = statements::database_properties(&database, name, inputs.ownership());
    // Between what takes a right away and what gives it again, a killed restore's user could not get in to go on.
    let refused = execute::together(&run.session, &statements, |_| String::new()).await?;
    report_refused(run, "property of the database", refused);
    Ok(())
}

/// What ANALYZE is run on.
struct Lacking {
    tables: Vec<Name>,
    /// Not on partitions of these: they have the source's statistics. Every server that takes those knows the word.
    only: bool,
}

/// The source's statistics, as they were: plans are then the source's. What has none afterwards, and what has
/// extended ones, which no dump carries, is analyzed.
async fn import_statistics(run: &mut Run<'_>) -> Result<Lacking> {
    let Some(archive) = &run.statistics else {
        return all(run).await;
    };
    let imported = async {
        let entries = archive.list(&BTreeSet::new()).await?;
        // Nothing else belongs there.
        let entries = entries
            .into_iter()
            .filter(|entry| entry.kind == "STATISTICS DATA");
        let entries: Vec<_> = entries.collect();
        let all: Vec<_> = entries.iter().collect();
        let mut outcome = archive.restore(&all, run.jobs).await?;
        if !outcome.complaints.is_empty() {
            // Which of them failed, several at once do not say.
            outcome = archive.restore(&all, 1).await?;
        }
        Ok::<_, Error>((entries, outcome.suspects))
    };
    match imported.await {
        Err(error) => {
            let finding = statistics_unread(error)?;
            run.report.findings.push(finding);
            all(run).await
        }
        Ok((entries, suspects)) => {
            let is_failed = |entry: &&Entry| suspects.contains(&entry.id);
            let failed: Vec<_> = entries.iter().filter(is_failed).collect();
            let count = entries.len() - failed.len();
            if count == 0 {
                return all(run).await;
            }
            run.report.statistics_imported = count as u64;
            Ok(Lacking {
                tables: server::without_statistics(&run.session, &failed).await?,
                only: true,
            })
        }
    }
}

async fn all(run: &Run<'_>) -> Result<Lacking> {
    Ok(Lacking {
        tables: server::to_analyze(&run.session).await?,
        only: false,
    })
}

/// What is told where they cannot be read; where that is damage, or concerns all, the error.
pub(super) fn statistics_unread(error: Error) -> Result<Finding> {
    if error.ends_all() || error.kind() == Kind::Damaged {
        return Err(error);
    }
    let why = format!("could not be read: {}; tables were analyzed", error.chain());
    Ok(Finding::new("statistics of the point", why))
}

/// Without statistics the first queries would be slow enough to look like another outage.
pub(super) async fn statistics(run: &mut Run<'_>) -> Result<()> {
    let Lacking { tables, only } = import_statistics(run).await?;
    let only = if only { "ONLY " } else { "" };
    let analyze = async |session: &Session, table: Name| {
        let about = format!("statistics of {table}");
        let statement = Statement::new(about, format!("ANALYZE {only}{}", table.quoted()));
        execute::each(session, &[statement]).await
    };
    let sessions = run.sessions(&run.own.server, Purpose::Compute);
    let refused = sessions.for_each(tables, analyze).await?;
    report_refused(run, "statistics", refused.into_iter().flatten().collect());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_statistics_are_damage_and_others_are_told() {
        let damaged = statistics_unread(Error::damaged("not what the manifest says"));
        assert_eq!(damaged.unwrap_err().kind(), Kind::Damaged);
        let finding = statistics_unread(Error::failed("no such format")).unwrap();
        assert!(finding.why.contains("no such format"), "{finding:?}");
    }
}
