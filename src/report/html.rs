//! Markup that only literals can write. What comes from the repository or the configuration is text,
//! and text is escaped: that is a matter of types here, not of care.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::escape::{is_plain, one_line};
use crate::humanize::count;
use crate::model::id::Id;
use crate::sign::Fingerprint;

/// A page in the making.
#[derive(Default)]
pub(super) struct Html {
    written: String,
}

/// Something that goes onto a page.
pub(super) trait Piece {
    fn write(&self, page: &mut Html);
}

/// Text that was not made here.
pub(super) struct Text<'a>(pub &'a str);

/// A name from the repository: its writing direction stays its own.
pub(super) struct Name<'a>(pub &'a str);

/// Shown to the minute, with the whole second for programs.
pub(super) struct Time(pub Timestamp);

/// Where it is beyond its limit, more than a colour says so.
pub(super) struct Flagged {
    pub words: String,
    pub is_bad: bool,
}

/// Puts a literal as markup onto a page, with a piece in the place of each `{}`.
macro_rules! put {
    ($page:expr, $markup:literal $(, $piece:expr)* $(,)?) => {{
        // Each has its piece, or this does not compile.
        let _ = format_args!($markup $(, stringify!($piece))*);
        $page.put($markup, &[$(&$piece as &dyn $crate::report::html::Piece),*]);
    }};
}
pub(super) use put;

impl Html {
    /// For [`put!`].
    pub(super) fn put(&mut self, markup: &'static str, pieces: &[&dyn Piece]) {
        let mut markup = markup.split("{}");
        self.written.push_str(markup.next().unwrap_or_default());
        for (piece, behind) in pieces.iter().zip(markup) {
            piece.write(self);
            self.written.push_str(behind);
        }
    }

    pub(super) fn finish(self) -> String {
        self.written
    }
}

impl Piece for &'static str {
    fn write(&self, page: &mut Html) {
        page.written.push_str(self);
    }
}

impl Piece for String {
    fn write(&self, page: &mut Html) {
        Text(self).write(page);
    }
}

impl Piece for Cow<'_, str> {
    fn write(&self, page: &mut Html) {
        Text(self).write(page);
    }
}

impl Piece for Text<'_> {
    fn write(&self, page: &mut Html) {
        page.written.extend(self.0.chars().map(shown));
    }
}

impl Piece for Name<'_> {
    fn write(&self, page: &mut Html) {
        put!(page, "<bdi>{}</bdi>", Text(self.0));
    }
}

impl Piece for Time {
    fn write(&self, page: &mut Html) {
        let whole = self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let shown = minute(self.0);
        put!(page, "<time datetime=\"{}\">{}</time>", whole, shown);
    }
}

impl Flagged {
    pub(super) fn bad(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            is_bad: true,
        }
    }
}

impl Piece for Flagged {
    fn write(&self, page: &mut Html) {
        match self.is_bad {
            true => put!(page, "<b class=\"bad\">▲ {}</b>", Text(&self.words)),
            false => self.words.write(page),
        }
    }
}

macro_rules! shown_as_text {
    ($($kind:ty),+) => {$(
        impl Piece for $kind {
            fn write(&self, page: &mut Html) {
                self.to_string().write(page);
            }
        }
    )+};
}
shown_as_text!(u64, i64, usize, Id, Fingerprint);

/// A cell of a number; on a narrow page, where rows are cards, with this label.
pub(super) fn number(page: &mut Html, label: &'static str, value: impl Piece) {
    put!(page, "<td class=\"n\" data-l=\"{}\">{}", label, value);
}

/// What had no room.
pub(super) fn not_shown(page: &mut Html, number: usize, what: &'static str) {
    if number > 0 {
        let number = count(number as u64);
        put!(page, "<p>{} more {} not on this page.</p>", number, what);
    }
}

/// `2026-11-21 02:00 UTC`
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2026-11-21`
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// No more of a text than a page can bear, cut between characters.
pub(super) fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// On one line as everywhere, and no markup.
fn shown(c: char) -> Cow<'static, str> {
    match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\'' => "&#39;".into(),
        c if is_plain(c) => c.to_string().into(),
        c => one_line(&c.to_string()).into_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut page = Html::default();
        let (attribute, inside) = (Text(text), text.to_owned());
        put!(page, "<p title=\"{}\">{}</p>", attribute, inside);
        page.finish()
    }

    #[test]
    fn text_can_neither_open_a_tag_nor_leave_an_attribute() {
        let page = written("<script>alert('x')</script>\" onload=\"y&amp;");
        assert_eq!(page.matches('<').count(), 2);
        assert_eq!(page.matches('>').count(), 2);
        assert_eq!(page.matches('"').count(), 2);
        assert!(!page.contains('\''));
        assert!(page.contains("&amp;amp;"));
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        let page = written("a\u{202e}b\u{200b}\u{1b}[2J\u{0}\n");
        assert!(page.contains(r"a\u{202e}b\u{200b}\u{1b}[2J\0\n"), "{page}");
        assert!(written("קורס данные 課程").contains("קורס данные 課程"));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clipped("ééé", 2), "éé…");
        assert_eq!(clipped("ééé", 3), "ééé");
    }
}
