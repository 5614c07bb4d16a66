//! What comes after the data: sequences, materialized views, the database's own properties,
//! statistics.

use super::report::Trouble;
use super::{Run, pool};
use crate::error::Result;
use crate::model::catalog::MaterializedView;
use crate::pg::session::Purpose;
use crate::pg::statements::{self, Statement};
use crate::pg::{apply, foreign, target};

/// Sets every sequence; one that cannot be set is a failure.
pub async fn sequences(run: &mut Run<'_>) -> Result<()> {
    let statements: Vec<Statement> = run
        .catalog
        .sequences
        .iter()
        .map(statements::set_sequence)
        .collect();
    let refused = apply::batched(&run.session, &statements).await?;
    run.report
        .failures
        .extend(refused.into_iter().map(Trouble::from));
    Ok(())
}

/// Fills the materialized views that were filled, in their order.
pub async fn materialized_views(run: &mut Run<'_>) -> Result<()> {
    let (chosen, others): (Vec<MaterializedView>, Vec<MaterializedView>) = run
        .catalog
        .materialized_views
        .iter()
        .cloned()
        .partition(|view| run.selection.has_view(view));
    let left_out = others.iter().filter(|view| view.populated);
    run.report
        .left_out
        .extend(left_out.map(|view| format!("materialized view {}, not filled", view.name)));
    let foreign = foreign::views(&run.session).await?;
    let (foreign, chosen): (Vec<_>, Vec<_>) = chosen
        .into_iter()
        .partition(|view| foreign.contains(&view.name));
    let by_hand = statements::refresh(&foreign).into_iter().map(|one| {
        let why = "not filled: it reads from a foreign server, which a restore leaves alone; \
                   where that server is the right one, run this";
        Trouble::new(one.about, why).sql(one.sql)
    });
    run.report.findings.extend(by_hand);
    // Our sessions read no views, in case somebody swaps a table for one; these queries do.
    run.session.allow_views().await?;
    let refused = apply::each(&run.session, &statements::refresh(&chosen)).await?;
    run.report
        .findings
        .extend(refused.into_iter().map(Trouble::from));
    Ok(())
}

/// Owner, ACL, comment, limit and settings of the database itself.
pub async fn database(run: &mut Run<'_>) -> Result<()> {
    let statements = statements::database_properties(
        &run.catalog.database,
        &run.server.database,
        run.ownership(),
    );
    let refused = apply::each(&run.session, &statements).await?;
    run.report
        .findings
        .extend(refused.into_iter().map(Trouble::from));
    Ok(())
}

/// Without statistics the first queries would be slow enough to look like another outage.
pub async fn statistics(run: &mut Run<'_>) -> Result<()> {
    let tables = target::to_analyze(&run.session).await?;
    let refused = pool::each(run, Purpose::Write, tables, async |session, table| {
        let about = format!("statistics of {table}");
        let statement = Statement::new(about, format!("ANALYZE {}", table.quoted()));
        apply::each(session, &[statement]).await
    })
    .await?;
    run.report
        .findings
        .extend(refused.into_iter().flatten().map(Trouble::from));
    Ok(())
}
