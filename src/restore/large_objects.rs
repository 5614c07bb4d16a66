//! Large objects: pages, then owner, privileges and comment of each.

use super::report::Trouble;
use super::{Run, roles, tables};
use crate::error::Result;
use crate::pg::statements::{LargeObject, Statement};
use crate::pg::{apply, large_objects, statements};

/// How many objects' troubles are listed one by one.
const LISTED: usize = 20;

/// Restores all of them; a choice of tables leaves them out.
pub async fn restore(run: &mut Run<'_>) -> Result<()> {
    let any = run.means.point.manifest.tables.iter();
    let any = any
        .clone()
        .any(|table| crate::model::manifest::is_large_objects(table.oid));
    if !any {
        return Ok(());
    }
    if !run.selection.whole {
        run.report.left_out.push("large objects".to_owned());
        return Ok(());
    }
    run.means.progress.phase("large objects", None);
    tables::restore_large_objects(run).await?;
    large_objects::create_missing(&run.session).await?;
    let owners = large_objects::owners(&run.session).await?;
    roles::borrow_owners(run, &owners).await?;
    let mut last = 0;
    loop {
        let objects = large_objects::after(&run.session, last).await?;
        let Some(object) = objects.last() else { break };
        last = object.oid;
        properties(run, &objects).await?;
    }
    run.report.large_objects = large_objects::count(&run.session).await?;
    Ok(())
}

async fn properties(run: &mut Run<'_>, objects: &[LargeObject]) -> Result<()> {
    let ownership = run.ownership();
    let statements: Vec<Statement> = objects
        .iter()
        .flat_map(|object| statements::large_object_properties(object, ownership))
        .collect();
    for refused in apply::batched(&run.session, &statements).await? {
        if run.report.findings.len() < LISTED {
            run.report.findings.push(Trouble::from(refused));
        }
    }
    Ok(())
}
