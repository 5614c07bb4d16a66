//! `--state`: databases of which states are shown.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::render::Page;
use crate::humanize::left_out;
use crate::model::state::State;

/// Databases in which state; none means any.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct StateFilter {
    /// Only databases in this state, by what this command finds of them (age and locks: `status` alone); may be
    /// repeated, or several with commas. The exit code stays that of all
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

/// What `--state` left out.
pub(super) fn not_shown(page: &mut Page, findings: u64) {
    if let Some(left_out) = left_out(findings) {
        page.line(left_out);
    }
}
