//! What a person wants next: which rows are only in one of both, and back with those that are missing.

use serde::Serialize;

use super::plan::NewTable;
use crate::error::Result;
use crate::pg::session::Session;
use crate::pg::target::beside::{self, TargetColumn};
use crate::quote::quote_ident;

/// Statements on the columns that both tables have; none is run.
#[derive(Debug, Serialize)]
pub(crate) struct Next {
    pub only_in_backup: String,
    pub only_in_target: String,
    pub put_back: String,
}

/// Types without an equality that EXCEPT could use.
const WITHOUT_EQUALITY: [&str; 9] = [
    "json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle",
];

/// `None`: the target has no table of that name, or none of its columns.
pub(super) async fn of(session: &Session, table: &NewTable<'_>) -> Result<Option<Next>> {
    let mut there = beside::columns(session, table.of).await?;
    there.retain(|column| table.columns.contains(&column.name));
    Ok((!there.is_empty()).then(|| statements(table, &there)))
}

fn statements(table: &NewTable<'_>, shared: &[TargetColumn]) -> Next {
    let (backup, target) = (table.name.quoted(), table.of.quoted());
    let names: Vec<String> = shared.iter().map(|one| quote_ident(&one.name)).collect();
    let is_text = |column: &TargetColumn| table.as_text.contains(&column.name);
    let compared = shared.iter().zip(&names).map(|(column, name)| {
        let bare = column.data_type.trim_end_matches("[]");
        match is_text(column) || WITHOUT_EQUALITY.contains(&bare) {
            true => format!("{name}::text"),
            false => name.clone(),
        }
    });
    let compared = compared.collect::<Vec<_>>().join(", ");
    let written = shared
        .iter()
        .zip(&names)
        .map(|(column, name)| match is_text(column) {
            true => format!("{name}::{}", column.data_type),
            false => name.clone(),
        });
    let written = written.collect::<Vec<_>>().join(", ");
    let names = names.join(", ");
    let overriding = match shared.iter().any(|column| column.always) {
        true => " OVERRIDING SYSTEM VALUE",
        false => "",
    };
    let except = |one: &str, other: &str| {
        format!("SELECT {compared} FROM {one} EXCEPT ALL SELECT {compared} FROM {other}")
    };
    Next {
        only_in_backup: except(&backup, &target),
        only_in_target: except(&target, &backup),
        put_back: format!(
            "INSERT INTO {target} ({names}){overriding} SELECT {written} FROM {backup} ON CONFLICT DO NOTHING"
        ),
    }
}
