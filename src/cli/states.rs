//! `--state`: databases of which states are shown.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::render::Page;
use crate::model::state::{NotShown, State};

/// Databases in which state; none means any.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct StateFilter {
    /// Only databases in this state; may be repeated, or several with commas. What others have still decides the
    /// exit code
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = parser())]
    state: Vec<State>,
}

impl StateFilter {
    /// `None`: all are shown.
    pub(super) fn chosen(&self) -> Option<&[State]> {
        (!self.state.is_empty()).then_some(self.state.as_slice())
    }
}

fn parser() -> impl clap::builder::TypedValueParser<Value = State> {
    let words = State::ALL.map(State::as_str);
    PossibleValuesParser::new(words).map(|word| {
        let known = State::ALL.into_iter().find(|state| state.as_str() == word);
        known.unwrap_or_default()
    })
}

/// What stands in place of a table without rows.
pub(super) fn none(repository: &str, not_shown: NotShown) -> String {
    match not_shown.databases {
        0 => format!("no restore point in {repository}"),
        _ => format!("no database of {repository} is in such a state"),
    }
}

/// What `--state` left out.
pub(super) fn not_shown(page: &mut Page, not_shown: NotShown) {
    if let Some(line) = not_shown.line() {
        page.line(line);
    }
}
