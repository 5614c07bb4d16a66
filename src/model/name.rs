//! What objects in schemas are called.

use serde::{Deserialize, Serialize};

use crate::escape;
use crate::quote::quote_ident;

/// A name in a schema, both as PostgreSQL stores them, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    pub schema: String,
    pub name: String,
}

impl Name {
    /// Quoted for SQL: `"schema"."name"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{}",
            escape::name(&self.schema),
            escape::name(&self.name)
        )
    }
}
