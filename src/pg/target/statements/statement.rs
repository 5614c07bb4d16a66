//! A statement, and what it is about.

/// One piece of SQL that succeeds or fails as a whole: one statement, or several that are sent
/// together and so share an implicit transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub sql: String,
    /// What it is about, for a finding: `role "reader"`.
    pub about: String,
}

impl Statement {
    pub(crate) fn new(about: impl Into<String>, sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            about: about.into(),
        }
    }
}

/// A script of these statements, each ended by a semicolon and a newline.
pub(crate) fn script(statements: &[Statement]) -> String {
    let statements = statements.iter();
    statements.flat_map(|one| [&one.sql, ";\n"]).collect()
}
