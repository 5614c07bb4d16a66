//! How rows are written.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// COPY text, as stored.
    Copy,
    /// As `COPY … WITH (FORMAT csv, HEADER)` prints it.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// A table and its rows, for psql.
    Sql,
}

impl Format {
    /// Of a file's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Sql => "sql",
        }
    }
}
