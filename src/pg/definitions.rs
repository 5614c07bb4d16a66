//! What a database holds beside rows, as text that does not depend on OIDs, on who looks, or on who granted
//! what: one query a kind, the same in the source, in the snapshot, and in what was restored.
//!
//! A kind's text is part of the format: to print it otherwise is to call it otherwise.

mod columns;
mod kind;
mod objects;
mod relations;
mod rights;

use self::kind::Kind;
use crate::error::Result;
use crate::model::definitions::{Definition, Definitions};
use crate::pg::session::{Session, from_row};

pub(crate) use columns::read_columns;
pub(in crate::pg) use kind::{IDENTITY, of_rds};
pub(in crate::pg) use objects::FUNCTION_NAME;

/// All that a server of this version has; of two queries of one kind the later one.
fn kinds(version_num: u32) -> Vec<&'static Kind> {
    let all = [relations::KINDS, objects::KINDS, rights::KINDS];
    let known = all.into_iter().flatten();
    let mut kinds: Vec<&Kind> = Vec::new();
    for kind in known.filter(|kind| kind.since <= version_num) {
        match kinds.iter_mut().find(|other| other.name == kind.name) {
            Some(earlier) => *earlier = kind,
            None => kinds.push(kind),
        }
    }
    kinds
}

/// What reads names and texts. What is dropped at this moment has no text any more.
fn select(kind: &Kind) -> String {
    let sql = (kind.sql)();
    format!("SELECT q.name, coalesce(q.text, '') FROM ({sql}) q(name, text)")
}

/// What reads a kind from a server of this version.
pub fn statement(kind: &str, version_num: u32) -> Option<String> {
    let kinds = kinds(version_num).into_iter();
    kinds.filter(|one| one.name == kind).map(select).next()
}

/// Reads every kind but columns; each sorted by name.
pub(crate) async fn read(session: &Session) -> Result<Vec<Definitions>> {
    let mut all = Vec::new();
    for kind in kinds(session.server_version_num) {
        let what = format!("cannot read the definitions of kind {}", kind.name);
        let mut list: Vec<Definition> = session.rows(&select(kind), &what).await?;
        list.sort();
        all.push(Definitions {
            kind: kind.name.to_owned(),
            list,
        });
    }
    Ok(all)
}

from_row!(Definition: name, text);
