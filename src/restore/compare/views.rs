//! Materialized views hold what a restore computes anew.

use crate::error::Result;
use crate::humanize::first_names;
use crate::model::catalog::MaterializedView;
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
use crate::model::table_digest::RowShape;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::slice;
use crate::pg::target::read_back;
use crate::restore::run::Run;

/// Reads those that were filled then and now, and names those whose rows are others.
pub(super) async fn compare(run: &mut Run<'_>, session: &Session) -> Result<Vec<Finding>> {
    let inputs = run.inputs;
    let filled = read_back::filled_views(session).await?;
    let views = inputs.catalog.materialized_views.iter();
    let filled = views.filter(|view| view.populated && filled.contains(&view.name));
    let chosen = filled.filter(|view| inputs.selection.has_view(view));
    let computed = &inputs.catalog.left_out.computed;
    let (other, chosen): (Vec<_>, Vec<_>) = chosen.partition(|view| computed.contains(&view.name));
    let (known, unknown): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|view| view.digest.is_some());
    let names: Vec<String> = other.iter().map(|view| view.name.to_string()).collect();
    if !names.is_empty() {
        run.report.not_compared.push(format!(
            "materialized views' rows, filled from tables whose rows were left out on request: {}",
            first_names(&names, 10)
        ));
    }
    if !unknown.is_empty() {
        let why = "materialized views' rows: the export did not note them";
        run.report
            .not_compared
            .push(format!("{} {why}", unknown.len()));
    }
    let encoding = &run.session.server_encoding;
    let compare = async |session: &Session, view: &MaterializedView| {
        let what = format!("materialized view {}", view.name);
        let sql = slice::copy_view(&view.name, encoding);
        let why = match read_back::digest(session, &sql, RowShape::default(), &what).await {
            Err(error) if error.ends_all() => return Err(error),
            Err(error) => Some(error.chain()),
            Ok(read) => differs(view.digest.unwrap_or_default(), read.rows),
        };
        Ok(why.map(|why| Finding::new(what, why)))
    };
    let sessions = run.sessions(inputs.reader(), Purpose::Read);
    let found = sessions.for_each(known, compare).await?;
    Ok(found.into_iter().flatten().collect())
}

fn differs(exported: RowDigest, found: RowDigest) -> Option<String> {
    (exported != found).then(|| {
        let (now, then) = (found.rows, exported.rows);
        format!(
            "its rows, computed anew, are not those exported ({now} rows, exported were {then}): in the source it \
             was not refreshed since its tables changed, or it computes something else each time"
        )
    })
}
