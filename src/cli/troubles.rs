//! What a restore says of single objects, on a screen.

use super::render::Page;
use crate::model::finding::Finding;

/// A line each, as many as a screen takes; all of them, whole and with statements as they are to be
/// run, are in the JSON document. On the screen no statement stands: where a name in it has a line
/// break, it would have to be changed to stay on one line.
pub(super) fn show_troubles(page: &mut Page, word: &str, troubles: &[Finding]) {
    const SHOWN: usize = 12;
    for trouble in troubles.iter().take(SHOWN) {
        let why = trouble.why.lines().next().unwrap_or_default();
        page.line(format_args!("{word}: {}: {why}", trouble.what));
    }
    match troubles.len().saturating_sub(SHOWN) {
        0 => {}
        more => page.line(format_args!(
            "{word}: {more} more; --json lists all, with their SQL"
        )),
    }
}
