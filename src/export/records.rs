//! The sealed catalog and the other objects that make a restore point whole.

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::codec::Sealed;
use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::{Catalog, LargeObjects, Name, NotCoveredNames};
use crate::model::manifest::{Manifest, ObjectRef, TableParts, names};
use crate::opaque;
use crate::pg::source::dump::Dumped;
use crate::pg::source::left_out::Resolved;
use crate::repository::{MAX_CATALOG_BYTES, PointWriter, runbook};

use super::options::Run;
use super::plan::Plan;

/// How many small objects are stored at the same time.
const CONCURRENT_STORES: usize = 16;

/// Takes out what was left out on request.
pub(super) fn leave_out(catalog: &mut Catalog, resolved: &Resolved) {
    let left_out = &resolved.left_out;
    let is_gone = |name: &Name| resolved.relations.contains(name);
    catalog
        .materialized_views
        .retain(|view| !is_gone(&view.name));
    catalog.columns_full.retain(|one| !is_gone(&one.of));
    catalog.constraints.retain(|one| {
        let name = [&one.on.schema, &one.on.name, &one.name].map(String::clone);
        let kinds = ["key", "check", "index"];
        !is_gone(&one.on) && !kinds.iter().any(|kind| left_out.has(kind, &name))
    });
    catalog.left_out = left_out.clone();
    for view in &mut catalog.materialized_views {
        view.populated &= !resolved.unfilled.contains(&view.name);
    }
}

/// What of the instance has bytes that mean nothing in this database, and so cannot be written there again.
pub(super) fn in_another_encoding(catalog: &Catalog) -> Option<NotCoveredNames> {
    let database = &catalog.database;
    let comment =
        |text: &Option<String>| text.as_ref().is_some_and(|text| !database.can_name(text));
    let mut names = Vec::new();
    if comment(&database.comment) {
        names.push("comment on the database".to_owned());
    }
    for role in &catalog.roles {
        if !database.can_name(&role.name) {
            names.push(format!("role {}", role.name));
        }
        if comment(&role.comment) {
            names.push(format!("comment on role {}", role.name));
        }
    }
    let parameters = catalog.parameter_privileges.iter();
    let odd = parameters.filter(|one| !database.can_name(&one.parameter));
    names.extend(odd.map(|one| format!("privilege on parameter {}", one.parameter)));
    let settings = catalog.roles.iter().flat_map(|role| &role.settings);
    let settings = settings.chain(&database.settings);
    let odd = settings.filter(|one| !database.can_name(&one.value));
    names.extend(odd.map(|one| format!("setting {}", one.name)));
    (!names.is_empty()).then(|| NotCoveredNames {
        kind: "names in another encoding".to_owned(),
        names,
    })
}

/// Takes counts and digests from what was read; returns what was stored of each table.
pub(super) fn fill_in(catalog: &mut Catalog, plan: &Plan) -> Result<Vec<TableParts>> {
    let mut stored = Vec::with_capacity(plan.tables.len() + plan.large_objects.len());
    for (table, progress) in catalog.tables.iter_mut().zip(&plan.tables) {
        let (digest, parts) = progress.finish()?;
        table.digest = digest.rows;
        let read = digest.generated.into_iter();
        for (column, digest) in table.generated.iter_mut().zip(read) {
            column.digest = digest;
        }
        stored.push(parts);
    }
    let populated = catalog
        .materialized_views
        .iter_mut()
        .filter(|view| view.populated);
    for (view, progress) in populated.zip(&plan.views) {
        // A restore computes another one from what is left.
        let is_comparable = !catalog.left_out.computed.contains(&view.name);
        view.digest = progress.digest.get().copied().filter(|_| is_comparable);
    }
    if let [pages, properties] = plan.large_objects.as_slice() {
        let (pages, parts) = pages.finish()?;
        stored.push(parts);
        let (properties, parts) = properties.finish()?;
        stored.push(parts);
        catalog.large_objects = LargeObjects {
            pages: pages.rows,
            properties: properties.rows,
        };
    }
    Ok(stored)
}

/// Stores everything but parts, part lists and manifest. `manifest` is what is known of it by now.
pub(super) async fn store(
    run: &Run<'_>,
    writer: &PointWriter,
    catalog: &Catalog,
    manifest: &Manifest,
    dumped: &Dumped,
) -> Result<Vec<ObjectRef>> {
    let sealer = run.keys.sealer;
    let json = serde_json::to_vec(catalog).context(|| "cannot write the catalog".to_owned())?;
    if json.len() as u64 > MAX_CATALOG_BYTES {
        return Err(Error::refused(format!(
            "the catalog of {} takes {} bytes, more than a reader accepts",
            manifest.database,
            json.len()
        ))
        .hint("split the database: it has too many tables for one restore point"));
    }
    let fingerprint = run.keys.signer.fingerprint().to_string();
    let keys = serde_json::to_string(&run.key_ring).context(|| "cannot write JSON".to_owned())?;
    let sealed = |bytes: &[u8]| sealer.compress_and_seal(bytes);
    let sealed_sql = |sql: String| sealed(&opaque::bytes(&sql));
    let config = run.options.config_text.clone();
    let statistics = dumped.statistics.as_deref();
    let statistics = statistics.map(sealed).transpose()?;
    let objects = [
        (names::SCHEMA, sealer.seal(&dumped.schema)?),
        (names::CATALOG, sealed(&json)?),
        (
            names::PLAN,
            sealed(&runbook::plan(catalog, &manifest.tables)?)?,
        ),
        (names::ROLES_SQL, sealed_sql(runbook::roles_sql(catalog))?),
        (names::DATA_SQL, sealed_sql(runbook::data_sql(catalog))?),
        (names::LAST_SQL, sealed_sql(runbook::last_sql(catalog))?),
        (names::KEYS, Sealed::unencrypted(format!("{keys}\n"))),
        (names::CONFIG, Sealed::unencrypted(config)),
        (names::SCRIPT, Sealed::unencrypted(runbook::script())),
    ];
    let statistics = statistics.map(|archive| (names::STATISTICS, archive));
    let mut stored: Vec<ObjectRef> = stream::iter(objects.into_iter().chain(statistics))
        .map(|(name, object)| writer.put_object(name, object))
        .buffered(CONCURRENT_STORES)
        .try_collect()
        .await?;
    // Last, as it names the others' versions.
    let known = Manifest {
        objects: stored.clone(),
        ..manifest.clone()
    };
    let reach = runbook::RepositoryAccess {
        url: run.repository.url(),
        options: &run.options.reach,
    };
    let runbook = runbook::restore_md(&known, &reach, &fingerprint, &run.key_ring);
    let runbook = Sealed::unencrypted(runbook);
    stored.push(writer.put_object(names::RUNBOOK, runbook).await?);
    Ok(stored)
}
