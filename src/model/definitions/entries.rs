//! Names and texts of definitions.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Definition, Definitions};

pub(crate) type Names<'a> = BTreeSet<&'a [String]>;

/// All names of one kind.
pub(crate) fn names_of<'a>(all: &[&'a Definitions], kind: &str) -> Names<'a> {
    let of_kind = all.iter().filter(|one| one.kind == kind);
    let lists = of_kind.flat_map(|one| &one.list);
    lists.map(|one| one.name.as_slice()).collect()
}

/// Of several with one name, all texts.
pub(crate) fn entries(list: &[Definition]) -> BTreeMap<&[String], Cow<'_, str>> {
    let mut entries: BTreeMap<&[String], Cow<'_, str>> = BTreeMap::new();
    for one in list {
        entries
            .entry(&one.name)
            .and_modify(|text| {
                let text = text.to_mut();
                text.push('\n');
                text.push_str(&one.text);
            })
            .or_insert(Cow::Borrowed(&one.text));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_with_one_name_no_text_is_forgotten() {
        let one = |name: &str, text: &str| Definition {
            name: vec![name.to_owned()],
            text: text.to_owned(),
        };
        let list = [one("a", "1"), one("a", "2"), one("b", "3")];
        let entries: Vec<_> = entries(&list).into_values().collect();
        assert_eq!(entries, ["1\n2", "3"]);
    }
}
