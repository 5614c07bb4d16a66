//! Large objects: pages, then owner, privileges and comment of each.

use super::run::Run;
use super::{roles, tables};
use crate::error::Result;
use crate::model::finding::Finding;
use crate::model::manifest::is_large_objects;
use crate::pg::source::catalog::count_large_objects;
use crate::pg::target::{execute, large_objects, statements};

/// Restores all of them; a choice of tables leaves them out.
pub(super) async fn restore(run: &mut Run<'_>) -> Result<()> {
    let mut stored = run.inputs.point.manifest.tables.iter();
    if !stored.any(|table| is_large_objects(table.oid)) {
        return Ok(());
    }
    if !run.inputs.selection.whole {
        run.report.left_out.push("large objects".to_owned());
        return Ok(());
    }
    tables::restore_large_objects(run).await?;
    large_objects::create_missing(&run.session).await?;
    let owners = large_objects::owners(&run.session).await?;
    roles::borrow_owners(run, &owners).await?;
    restore_properties(run).await?;
    run.report.large_objects = count_large_objects(&run.session).await?;
    Ok(())
}

/// One finding is enough for what a million objects may have in common.
async fn restore_properties(run: &mut Run<'_>) -> Result<()> {
    let ownership = run.inputs.ownership();
    let mut last_oid = 0;
    let mut first = None;
    let mut count = 0;
    loop {
        let objects = large_objects::after(&run.session, last_oid).await?;
        let Some(object) = objects.last() else { break };
        last_oid = object.oid;
        let statements: Vec<_> = objects
            .iter()
            .flat_map(|object| statements::large_object_properties(object, ownership))
            .collect();
        let refused = execute::batched(&run.session, &statements).await?;
        count += refused.len();
        first = first.or(refused.into_iter().next());
    }
    if let Some(first) = first {
        let what = format!("owner, privileges or comment of large objects, {count} times");
        let why = format!("the first, {}: {}", first.what, first.why);
        let sql = first.sql.unwrap_or_default();
        run.report.findings.push(Finding::new(what, why).sql(sql));
    }
    Ok(())
}
