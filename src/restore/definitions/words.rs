//! What a report says of a difference.

use crate::escape;
use crate::model::definitions::change::Change;
pub(super) use crate::model::definitions::words::{as_printed, plain, what};

/// Of a text that is shown.
const SHOWN: usize = 120;
/// Before the place where two texts begin to differ.
const BEFORE: usize = 30;

/// Both texts, from shortly before the place where they begin to differ.
pub(super) fn why(change: Change<'_>) -> String {
    match change {
        Change::Lost("") => "it is missing".to_owned(),
        Change::Lost(text) => format!("it is missing; exported: {}", from(text, 0)),
        Change::Added("") => "the restore point has none of it".to_owned(),
        Change::Added(text) => {
            format!(
                "the restore point has none of it; there is: {}",
                from(text, 0)
            )
        }
        Change::Changed(then, now) => {
            let same = then.chars().zip(now.chars()).take_while(|(a, b)| a == b);
            let start = same.count().saturating_sub(BEFORE);
            format!(
                "exported: {}; there is: {}",
                from(then, start),
                from(now, start)
            )
        }
    }
}

/// On one line, from a character on.
fn from(text: &str, start: usize) -> String {
    let start = if start < BEFORE { 0 } else { start };
    let mut chars = text.chars().skip(start);
    let shown: String = chars.by_ref().take(SHOWN).collect();
    let shown = match shown.as_str() {
        "" => "nothing".to_owned(),
        shown => escape::one_line(shown).into_owned(),
    };
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if chars.next().is_some() { "…" } else { "" },
    );
    format!("{before}{shown}{after}")
}

/// The head of a function without the word.
pub(super) fn without_leakproof(text: &str) -> String {
    let head = text.find("\nAS ").unwrap_or(text.len());
    text[..head].replace("\nLEAKPROOF", "") + &text[head..]
}

/// The head of a function without a setting that a person gave it.
pub(super) fn without_search_path(text: &str) -> String {
    let head = text.find("\nAS ").unwrap_or(text.len());
    let lines = text[..head].split_inclusive('\n');
    let kept: String = lines
        .filter(|line| !line.starts_with("SET search_path="))
        .collect();
    let head_end = kept.trim_end_matches('\n');
    head_end.to_owned() + &text[head..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shown_from_where_they_differ() {
        let long = format!("CREATE FUNCTION f() AS '{}1'", "x".repeat(200));
        let other = format!("CREATE FUNCTION f() AS '{}2\n'", "x".repeat(200));
        let why = why(Change::Changed(&long, &other));
        let same = "x".repeat(BEFORE);
        assert_eq!(why, format!("exported: …{same}1'; there is: …{same}2\\n'"));
        let cut = super::why(Change::Lost(&long));
        assert!(cut.ends_with('…') && cut.chars().count() < 200, "{cut}");
    }

    #[test]
    fn a_search_path_goes_from_the_head_alone() {
        let text =
            "FUNCTION ()\nCOST 100\nSET search_path=app, public\nAS SELECT '\nSET search_path=x'";
        let without = "FUNCTION ()\nCOST 100\nAS SELECT '\nSET search_path=x'";
        assert_eq!(without_search_path(text), without);
        assert_eq!(without_search_path(without), without);
    }

    #[test]
    fn leakproof_goes_from_the_head_alone() {
        let text = "FUNCTION ()\nLANGUAGE sql\nLEAKPROOF\nAS SELECT '\nLEAKPROOF'";
        let without = "FUNCTION ()\nLANGUAGE sql\nAS SELECT '\nLEAKPROOF'";
        assert_eq!(without_leakproof(text), without);
    }
}
