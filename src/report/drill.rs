//! What is kept of one drill: its attestation, cut to what a page can bear.

use super::facts::Drill;
use super::html::clipped;
use crate::codec::Identities;
use crate::model::attestation::{Answer, Assertion, Attestation};
use crate::repository::details;

/// Limits of what is kept of one drill.
const ASSERTIONS: usize = 200;
const TEXT_CHARS: usize = 120;
const KINDS: usize = 32;

pub(super) fn drill(attestation: Attestation, identities: &Identities) -> Drill {
    let mut not_tried = attestation.not_tried;
    not_tried.truncate(KINDS);
    for one in &mut not_tried {
        one.kind = clipped(&one.kind, TEXT_CHARS).into_owned();
    }
    Drill {
        at: attestation.drilled_at,
        verdict: attestation.result,
        seconds_to_restore: attestation.seconds_to_restore,
        seconds_to_first_query: attestation.seconds_to_first_query,
        rows: attestation.rows,
        sample: attestation
            .sample
            .map(|sample| clipped(&sample, TEXT_CHARS).into_owned()),
        held: attestation.assertions.iter().filter(|one| one.ok).count(),
        asked: attestation.assertions.len(),
        assertions: assertions(
            attestation.assertions,
            attestation.sealed.as_deref(),
            identities,
        ),
        as_superuser: attestation.as_superuser,
        walls: attestation.walls,
        not_tried,
    }
}

/// Fills in the sealed values if an identity opens them. Without an identity no values are kept, not
/// even those that early versions wrote in the clear.
fn assertions(
    mut assertions: Vec<Assertion>,
    sealed: Option<&str>,
    identities: &Identities,
) -> Vec<Assertion> {
    assertions.truncate(ASSERTIONS);
    let answers: Vec<Answer> = match sealed {
        Some(sealed) if !identities.is_empty() => {
            details::open(sealed, identities).map_or_else(|_| Vec::new(), |open| open.assertions)
        }
        _ => Vec::new(),
    };
    for one in &mut assertions {
        if identities.is_empty() {
            one.value = None;
        } else if let Some(answer) = answers.iter().find(|answer| answer.name == one.name) {
            one.value.clone_from(&answer.value);
        }
        let value = one.value.take();
        one.value = value.map(|value| clipped(&value, TEXT_CHARS).into_owned());
        one.name = clipped(&one.name, TEXT_CHARS).into_owned();
    }
    assertions
}
