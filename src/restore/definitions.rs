//! Restored equals exported: what a database holds beside rows is read again in the same way, and compared
//! entry by entry. Nothing is believed to be there because no statement failed.

mod brought;
mod circumstances;
mod differ;
mod known;
mod left_out;
mod words;

use std::collections::BTreeSet;

use self::circumstances::Circumstances;
use self::known::Known;
use super::finalize;
use super::run::Run;
use crate::error::Result;
use crate::model::definitions::privileges::Leave;
use crate::model::definitions::{Columns, Definitions, of_columns};
use crate::model::finding::Finding;
use crate::model::name::Name;
use crate::pg::definitions;
use crate::pg::session::Session;
use crate::quote::quote_ident;

/// Compares, and adds what differs to the report. All that was borrowed is given back by then.
pub(super) async fn compare(run: &mut Run<'_>, session: &Session) -> Result<()> {
    let catalog = run.inputs.catalog;
    let Some(exported) = &catalog.definitions else {
        let why = "definitions: the restore point is of a lifeboat that did not note them";
        run.report.not_compared.push(why.to_owned());
        return Ok(());
    };
    let (restored, columns) = match read(session).await {
        Err(error) if error.ends_all() => return Err(error),
        Err(error) => {
            let failure = Finding::new("the definitions", error.chain());
            run.report.failures.push(failure);
            return Ok(());
        }
        Ok(read) => read,
    };
    let (then, now) = (of_columns(&catalog.columns_full), of_columns(&columns));
    let exported: Vec<&Definitions> = exported.iter().chain(&then).collect();
    let restored: Vec<&Definitions> = restored.iter().chain(&now).collect();
    let known = Known::of(&run.report);
    let differences = differ::compare(&exported, &restored, &known, &circumstances(run, session));
    run.report.failures.extend(differences.failures);
    run.report.findings.extend(differences.findings);
    run.report.not_compared.extend(differences.not_compared);
    Ok(())
}

async fn read(session: &Session) -> Result<(Vec<Definitions>, Vec<Columns>)> {
    let definitions = definitions::read(session).await?;
    Ok((definitions, definitions::read_columns(session).await?))
}

fn circumstances(run: &Run<'_>, session: &Session) -> Circumstances {
    let inputs = run.inputs;
    let ownership = inputs.ownership();
    let (source, target) = (
        inputs.point.manifest.server_version_num,
        session.server_version_num,
    );
    let findings = run.report.findings.iter();
    let said: BTreeSet<&str> = findings.map(|one| one.what.as_str()).collect();
    let stays = |role: &&String| {
        let what = format!("what role {} owns", quote_ident(role));
        said.contains(what.as_str())
    };
    let roles = inputs.catalog.roles.iter().map(|role| &role.name);
    let drill = inputs.options.drill_reader.as_ref();
    let logins = drill.map(|reader| [&reader.user, &inputs.target.user]);
    let keeps_nothing: BTreeSet<String> = roles.filter(stays).cloned().collect();
    // What an owner had by itself, such a role is granted.
    let grantees = logins.into_iter().flatten().chain(&keeps_nothing);
    let grantees = grantees.flat_map(|role| words::as_printed(role));
    let given_identity = source < 170_000 && target >= 170_000;
    let partitions = inputs.catalog.tables.iter();
    let partitions = partitions.filter(|table| given_identity && table.root.is_some());
    let place = |name: &Name| (name.schema.clone(), name.name.clone());
    Circumstances {
        given_identity: partitions.map(|table| place(&table.name)).collect(),
        same_major: source / 10_000 == target / 10_000,
        membership_options: (source >= 160_000) == (target >= 160_000),
        owners: ownership.owners,
        privileges: ownership.privileges,
        default_privileges: !run.lacks_objects,
        into_existing: !inputs.options.create,
        limit_waits: finalize::limit_keeps_out(run, inputs.catalog.database.connection_limit),
        resumed: run.report.resumed,
        whole: inputs.selection.whole,
        left_out: inputs.catalog.left_out.clone(),
        powerless: inputs.options.is_powerless(),
        lacking: run.not_tried.extensions().map(|one| one.name).collect(),
        leave: Leave {
            maintain: source < 170_000 && target >= 170_000,
            grantees: grantees.collect(),
        },
        keeps_nothing,
        administrators: [&run.facts.user, &run.facts.owner]
            .into_iter()
            .cloned()
            .collect(),
        created_roles: run.report.created_roles.iter().cloned().collect(),
    }
}
