//! What comes after the data: sequences, materialized views, the database's own properties,
//! statistics.

use super::report::Trouble;
use super::{Run, pool};
use crate::error::Result;
use crate::model::attestation::NotTried;
use crate::model::catalog::MaterializedView;
use crate::pg::session::Purpose;
use crate::pg::target::execute::Refused;
use crate::pg::target::statements::{self, Statement};
use crate::pg::target::{execute, foreign, server};

/// Sets every sequence; one that cannot be set is a failure.
pub async fn sequences(run: &mut Run<'_>) -> Result<()> {
    let statements: Vec<Statement> = run
        .catalog
        .sequences
        .iter()
        .map(statements::set_sequence)
        .collect();
    let refused = execute::batched(&run.session, &statements).await?;
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
    leave_foreign(run, &foreign);
    // Our sessions read no views, in case somebody swaps a table for one; these queries do.
    run.session.allow_views().await?;
    let refused = execute::each(&run.session, &statements::refresh(&chosen)).await?;
    file(run, "materialized view", refused);
    Ok(())
}

/// A restore connects to nothing but its target: what would is left to a person.
fn leave_foreign(run: &mut Run<'_>, views: &[MaterializedView]) {
    if run.options.nobody.is_some() {
        let filled = views.iter().filter(|view| view.populated);
        run.report.not_tried.extend(filled.map(|view| NotTried {
            kind: "materialized view".to_owned(),
            name: view.name.to_string(),
        }));
        return;
    }
    let by_hand = statements::refresh(views).into_iter().map(|one| {
        let why = "not filled: it reads from another server, which a restore leaves alone; \
                   where that server is the right one, run this";
        Trouble::new(one.about, why).sql(one.sql)
    });
    run.report.findings.extend(by_hand);
}

fn file(run: &mut Run<'_>, kind: &str, refused: Vec<Refused>) {
    let left_out = run.options.nobody.as_ref().map(|_| &run.left_out);
    for one in refused {
        run.report.file_refused(kind, left_out, Trouble::from(one));
    }
}

/// Owner, ACL, comment, limit and settings of the database itself.
pub async fn database(run: &mut Run<'_>) -> Result<()> {
    let mut database = run.catalog.database.clone();
    if run.options.nobody.is_some() {
        // Assertions still have to get in.
        database.connection_limit = -1;
        database.is_template = false;
    }
    let statements =
        statements::database_properties(&database, &run.server.database, run.ownership());
    let refused = execute::each(&run.session, &statements).await?;
    file(run, "property of the database", refused);
    Ok(())
}

/// Without statistics the first queries would be slow enough to look like another outage.
pub async fn statistics(run: &mut Run<'_>) -> Result<()> {
    let tables = server::to_analyze(&run.session).await?;
    let refused = pool::each(
        run,
        &run.server,
        Purpose::Write,
        tables,
        async |session, table| {
            let about = format!("statistics of {table}");
            let statement = Statement::new(about, format!("ANALYZE {}", table.quoted()));
            execute::each(session, &[statement]).await
        },
    )
    .await?;
    file(run, "statistics", refused.into_iter().flatten().collect());
    Ok(())
}
