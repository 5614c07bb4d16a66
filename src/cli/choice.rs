//! `--source` and `--database` of commands that may be about several databases.

use clap::builder::NonEmptyStringValueParser;

use super::point::{DatabaseFilter, check_source};
use crate::error::Result;
use crate::model::choice::Choice;

/// Which databases, of which sources; none means all.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ChoiceArgs {
    /// Only of this source; `*` stands for any text; may be repeated
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub source: Vec<String>,
    /// Only this database; `*` stands for any text; may be repeated
    #[arg(long, value_name = "DATABASE", value_parser = NonEmptyStringValueParser::new())]
    pub database: Vec<String>,
}

impl ChoiceArgs {
    /// At most one source and one database, each named in full; `None`: several may be meant.
    pub(super) fn plain(&self) -> Option<DatabaseFilter> {
        let only = |names: &[String]| match names {
            [] => Some(None),
            [one] if !one.contains('*') => Some(Some(one.clone())),
            _ => None,
        };
        Some(DatabaseFilter {
            source: only(&self.source)?,
            database: only(&self.database)?,
        })
    }

    pub(super) fn resolve(&self) -> Result<Choice> {
        for name in self.source.iter().filter(|name| !name.contains('*')) {
            check_source(Some(name))?;
        }
        Choice::new(&self.source, &self.database)
    }
}
