//! What a manifest says must make sense before anything is done by it: a signature proves who wrote
//! it, not that it is sound.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::catalog::Catalog;
use crate::model::left_out::{LEFT_OUT, counts};
use crate::model::manifest::{Manifest, TableParts};

/// Refuses doubled tables and objects, sums that no machine can hold, and tables whose list and
/// counts contradict each other. Everything that adds these numbers relies on it.
pub(super) fn check(manifest: &Manifest) -> Result<()> {
    let (mut oids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for object in &manifest.objects {
        if !names.insert(object.key.name()) {
            return Err(Error::damaged(format!(
                "it names {} twice",
                object.key.name()
            )));
        }
    }
    for table in &manifest.tables {
        if !oids.insert(table.oid) {
            return Err(Error::damaged(format!(
                "it lists table {} twice",
                table.oid
            )));
        }
        if !is_consistent(table) {
            return Err(Error::damaged(format!(
                "its counts of table {} contradict each other",
                table.oid
            )));
        }
    }
    let is_whole = !manifest.requires.iter().any(|name| name == LEFT_OUT);
    if is_whole != manifest.excluded.is_empty() {
        return Err(Error::damaged(
            "what it leaves out and what a reader must know contradict each other",
        ));
    }
    check_parts_from(manifest)?;
    add_up(manifest).ok_or_else(|| Error::damaged("its sizes are beyond all bounds"))
}

/// Refuses a catalog that leaves out what its manifest does not tell: it would excuse what is missing.
pub(super) fn check_catalog(manifest: &Manifest, catalog: &Catalog) -> Result<()> {
    let left_out = &catalog.left_out;
    let is_told = counts(&left_out.names) == manifest.excluded;
    match is_told && left_out.tells_all() {
        true => Ok(()),
        false => Err(Error::damaged(
            "its catalog and its manifest do not agree about what was left out",
        )),
    }
}

fn check_parts_from(manifest: &Manifest) -> Result<()> {
    let sorted = manifest.parts_from.is_sorted_by(|one, next| one < next);
    match sorted && !manifest.parts_from.contains(&manifest.id) {
        true => Ok(()),
        false => Err(Error::damaged(
            "the points whose parts it names are not told once each and in order",
        )),
    }
}

fn is_consistent(table: &TableParts) -> bool {
    let has_parts = table.parts > 0;
    // A row has at least its newline, a part at least one row.
    table.list.is_some() == has_parts
        && (table.copy_bytes > 0) == has_parts
        && (table.stored_bytes > 0) == has_parts
        && table.rows >= table.parts
        && table.copy_bytes >= table.rows
}

fn add_up(manifest: &Manifest) -> Option<()> {
    let (mut stored, mut plain, mut parts) = (0_u64, 0_u64, 0_u64);
    let lists = manifest
        .tables
        .iter()
        .filter_map(|table| table.list.as_ref());
    for object in manifest.other_objects().chain(lists) {
        stored = stored.checked_add(object.bytes)?;
    }
    for table in &manifest.tables {
        stored = stored.checked_add(table.stored_bytes)?;
        plain = plain.checked_add(table.copy_bytes)?;
        parts = parts.checked_add(table.parts)?;
    }
    // Rows are fewer than plain bytes.
    Some(())
}
