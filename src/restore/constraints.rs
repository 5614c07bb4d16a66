//! Whether every key, constraint and index of the source is there: pg_restore reports what failed,
//! the target's catalog what exists.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use crate::error::Result;
use crate::model::catalog::{Constraint, ConstraintKind, Name, describe_constraint};
use crate::model::finding::Finding;
use crate::pg::session::Session;
use crate::pg::source::catalog::read_constraints;
use crate::pg::target::checks;

/// What is missing in the target: failures, and findings about indexes that only make reading faster. What
/// was complained of already, or belongs to a table that is not `there`, is not said again.
pub(super) async fn missing(
    run: &Run<'_>,
    session: &Session,
    there: &BTreeMap<Name, u64>,
) -> Result<(Vec<Finding>, Vec<Finding>)> {
    let tables = run.inputs.catalog.tables.iter().map(|table| &table.name);
    let absent: BTreeSet<&Name> = tables.filter(|name| !there.contains_key(name)).collect();
    let found = read_constraints(session).await?;
    let found: BTreeMap<_, _> = found.iter().map(|one| (key(one), one)).collect();
    let (mut failures, mut findings) = (Vec::new(), Vec::new());
    for wanted in &run.inputs.catalog.constraints {
        let left_out = wanted.kind == ConstraintKind::ForeignKey
            && (!run.inputs.selection.whole || lacks_rows(run, wanted));
        let Some(why) = difference(wanted, found.get(&key(wanted)).copied()) else {
            continue;
        };
        if left_out || absent.contains(&wanted.on) || is_known(run, wanted) {
            continue;
        }
        let trouble = Finding::new(wanted.describe(), why);
        match wanted.kind {
            ConstraintKind::Index => findings.push(trouble),
            _ => failures.push(trouble),
        }
    }
    Ok((failures, findings))
}

fn lacks_rows(run: &Run<'_>, wanted: &Constraint) -> bool {
    (run.inputs.catalog.left_out).has_key(&wanted.on, &wanted.name)
}

/// Foreign keys that do not bind all rows, as some that they refer to were left out on request: expected, and told.
pub(super) async fn into_left_out(
    run: &Run<'_>,
    session: &Session,
    tables: &BTreeMap<Name, u64>,
) -> Result<Vec<String>> {
    let keys = &run.inputs.catalog.left_out.foreign_keys;
    if keys.is_empty() || !run.inputs.selection.whole {
        return Ok(Vec::new());
    }
    let found = checks::there(session).await?;
    let here = keys.iter().filter(|key| tables.contains_key(&key.on));
    let told = here.filter_map(|key| {
        let what = describe_constraint(&ConstraintKind::ForeignKey, &key.name, &key.on);
        let how = match found.iter().find(|one| one.what == what) {
            Some(found) if found.valid => return None,
            Some(_) => "it is NOT VALID, and binds new rows alone",
            None => "it is left out",
        };
        let why = "rows that it refers to were left out of the backup on request";
        Some(format!("{what}: {how}: {why}"))
    });
    Ok(told.collect())
}

/// A foreign key or a check may have the name of an index of its table.
fn key(one: &Constraint) -> (&Name, &str, bool) {
    (&one.on, &one.name, is_index(one))
}

fn is_index(one: &Constraint) -> bool {
    matches!(
        one.kind,
        ConstraintKind::Index | ConstraintKind::UniqueIndex
    )
}

fn difference(wanted: &Constraint, found: Option<&Constraint>) -> Option<String> {
    let Some(found) = found else {
        return Some("it is missing, and pg_restore did not say why".to_owned());
    };
    if found.kind != wanted.kind {
        return Some(format!("what is there by its name is: {}", found.kind));
    }
    (wanted.valid && !found.valid).then(|| "it is not valid: a partition lacks its own".to_owned())
}

/// An entry of pg_restore's list names kind, schema and object, a constraint's its table. What is said of
/// an index, trigger or policy says nothing of a key that is called like it.
fn is_known(run: &Run<'_>, wanted: &Constraint) -> bool {
    let Constraint { on, name, .. } = wanted;
    let report = &run.report;
    let what = wanted.describe();
    let mut by_description = report
        .failures
        .iter()
        .chain(&report.unproven)
        .chain(&report.findings);
    if by_description.any(|one| one.what == what) {
        return true;
    }
    let mut said = report.failures.iter().chain(&report.unproven);
    if !is_index(wanted) {
        let constraint = format!("CONSTRAINT {} {} {name} ", on.schema, on.name);
        return said.any(|one| one.what.contains(&constraint));
    }
    let index = format!("INDEX {} {name} ", on.schema);
    // Not tried is an index without its table.
    let not_tried = format!("{}.{name}", on.schema);
    let mut said = said.chain(&report.findings);
    let mut left_out = report.not_tried.iter();
    said.any(|one| one.what.starts_with(&index))
        || (wanted.kind == ConstraintKind::Index
            && left_out.any(|one| one.kind == "index" && one.name == not_tried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_invalid_or_another_kind_differs() {
        let wanted = |kind, valid| Constraint {
            on: Name {
                schema: "s".to_owned(),
                name: "t".to_owned(),
            },
            name: "t_a_key".to_owned(),
            kind,
            valid,
        };
        let unique = wanted(ConstraintKind::Unique, true);
        let invalid = wanted(ConstraintKind::Unique, false);
        let index = wanted(ConstraintKind::UniqueIndex, true);
        assert!(difference(&unique, None).is_some());
        assert!(difference(&unique, Some(&invalid)).is_some());
        assert!(difference(&unique, Some(&index)).is_some());
        assert_eq!(difference(&unique, Some(&unique)), None);
        assert_eq!(difference(&invalid, Some(&unique)), None);
    }
}
