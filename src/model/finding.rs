//! What a restore or a drill says of one object.

use serde::Serialize;

/// Something that is missing or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub what: String,
    /// What the server said.
    pub why: String,
    /// For a person to run: the statement that was refused, or one that shows more.
    pub sql: Option<String>,
}

impl Finding {
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            sql: None,
        }
    }

    #[must_use]
    pub fn sql(mut self, sql: impl Into<String>) -> Self {
        self.sql = Some(sql.into());
        self
    }
}
