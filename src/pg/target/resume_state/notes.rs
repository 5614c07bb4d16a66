//! What was found out, noted for the report of a later run.

use crate::error::Result;
use crate::model::finding::Finding;
use crate::opaque;
use crate::pg::session::{Session, from_row};
use crate::quote::quote_literal;

/// Something that was found out or done, noted for the report of a later run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedFinding {
    /// The restore's own word for its kind of finding.
    pub kind: String,
    pub finding: Finding,
}

/// The name of the notes of what was found out about the target before the first statement.
pub(crate) const TARGET: &str = "target";

from_row!(Finding: what, why, sql);
from_row!(RecordedFinding: kind, finding);

/// All notes, each with the name that it was noted under, such as its phase's.
pub(crate) async fn findings(session: &Session) -> Result<Vec<(String, RecordedFinding)>> {
    let sql = "SELECT phase, kind, what, why, sql FROM lifeboat_restore.said";
    session.rows(sql, "cannot read the recorded findings").await
}

/// `phase`: a literal.
pub(super) fn insert_note(phase: &str, note: &RecordedFinding) -> String {
    let RecordedFinding { kind, finding } = note;
    let (kind, what, why) = (text(kind), text(&finding.what), text(&finding.why));
    let sql = finding.sql.as_deref().map_or("NULL".to_owned(), text);
    format!("INSERT INTO lifeboat_restore.said VALUES ({phase}, {kind}, {what}, {why}, {sql});")
}

/// A literal; none may hold the byte zero, or what is no UTF-8: what failed for such bytes would fail again.
pub(super) fn text(text: &str) -> String {
    quote_literal(&opaque::shown(text).replace('\0', ""))
}
