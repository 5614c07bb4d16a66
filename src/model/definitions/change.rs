//! What became of one definition, with its texts.

#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    Lost(&'a str),
    Added(&'a str),
    Changed(&'a str, &'a str),
}

impl<'a> Change<'a> {
    /// Then and now; nothing where it is not there.
    pub(crate) fn texts(self) -> [&'a str; 2] {
        match self {
            Self::Lost(text) => [text, ""],
            Self::Added(text) => ["", text],
            Self::Changed(then, now) => [then, now],
        }
    }
}
