//! What became of one definition, with its texts.

#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    Lost(&'a str),
    Added(&'a str),
    Changed(&'a str, &'a str),
}
