//! Large objects: pages, then owner, privileges and comment of each.

use super::report::Trouble;
use super::{Run, roles, tables};
use crate::error::Result;
use crate::model::manifest::is_large_objects;
use crate::pg::source::catalog::count_large_objects;
use crate::pg::target::execute::Refused;
use crate::pg::target::statements::Statement;
use crate::pg::target::{execute, large_objects, statements};

/// Restores all of them; a choice of tables leaves them out.
pub async fn restore(run: &mut Run<'_>) -> Result<()> {
    let mut stored = run.means.point.manifest.tables.iter();
    if !stored.any(|table| is_large_objects(table.oid)) {
        return Ok(());
    }
    if !run.selection.whole {
        run.report.left_out.push("large objects".to_owned());
        return Ok(());
    }
    tables::restore_large_objects(run).await?;
    large_objects::create_missing(&run.session).await?;
    let owners = large_objects::owners(&run.session).await?;
    roles::borrow_owners(run, &owners).await?;
    let mut last = 0;
    let mut refused: Vec<Refused> = Vec::new();
    let mut count = 0;
    loop {
        let objects = large_objects::after(&run.session, last).await?;
        let Some(object) = objects.last() else { break };
        last = object.oid;
        let ownership = run.ownership();
        let statements: Vec<Statement> = objects
            .iter()
            .flat_map(|object| statements::large_object_properties(object, ownership))
            .collect();
        let these = execute::batched(&run.session, &statements).await?;
        count += these.len();
        // One finding is enough for what a million objects may have in common.
        refused.extend(these.into_iter().take(1));
        refused.truncate(1);
    }
    if let Some(first) = refused.pop() {
        let first = Trouble::from(first);
        let what = format!("owner, privileges or comment of large objects, {count} times");
        let why = format!("the first, {}: {}", first.what, first.why);
        let sql = first.sql.unwrap_or_default();
        run.report.findings.push(Trouble::new(what, why).sql(sql));
    }
    run.report.large_objects = count_large_objects(&run.session).await?;
    Ok(())
}
