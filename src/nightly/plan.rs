//! Which databases a run of exports deals to its shards.

use crate::context::Context;
use crate::error::Result;
use crate::export::{self, Source};
use crate::model::databases::Databases;
use crate::model::deal::Dealt;
use crate::schedule::Export;

/// Every database of every source; sizes are filled in later.
pub(super) async fn databases(
    exports: &[(String, Result<Export>)],
    context: Context<'_>,
) -> Result<Vec<Dealt>> {
    let mut databases = Vec::new();
    for (name, export) in exports {
        context.interrupt.check()?;
        let source = export.as_ref().ok();
        let source = source.and_then(|export| export.options.sources.first());
        databases.extend(databases_of(name, source, context).await);
    }
    Ok(databases)
}

/// One that cannot be asked now stays whole, unless it lists its databases: its shard asks again, and says what failed.
async fn databases_of(name: &str, source: Option<&Source>, context: Context<'_>) -> Vec<Dealt> {
    let listed = match source {
        Some(source) => export::covered(source, context).await.ok(),
        None => None,
    };
    let configured = source.map(|source| &source.databases);
    let (databases, server) = match (listed, configured) {
        (Some((databases, server)), _) => (databases, Some(server)),
        (None, Some(Databases::Named(databases))) => (databases.clone(), None),
        (None, _) => return vec![dealt(name, None, None)],
    };
    let mut databases: Vec<Option<String>> = databases.into_iter().map(Some).collect();
    databases.sort();
    databases.dedup();
    let all = databases.into_iter();
    all.map(|database| dealt(name, database, server.as_deref()))
        .collect()
}

fn dealt(source: &str, database: Option<String>, server: Option<&str>) -> Dealt {
    Dealt {
        source: source.to_owned(),
        database,
        server: server.map_or_else(|| format!("source {source}"), str::to_owned),
        bytes: None,
    }
}
