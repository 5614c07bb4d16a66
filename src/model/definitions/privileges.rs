//! Privileges as `pg::definitions` prints them: a line for each grantee.

use std::collections::{BTreeMap, BTreeSet};

/// By grantee; a privilege with grant option is there with its star, and without.
type Grants<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What is not compared.
#[derive(Debug, Default, Clone)]
pub(crate) struct Leave {
    /// A version that has MAINTAIN gives it to every owner.
    pub maintain: bool,
    /// Logins that a drill made.
    pub grantees: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Comparison {
    Same,
    /// Something is missing, nothing is added.
    Less,
    /// What somebody has now and had not, such as `PUBLIC SELECT`.
    Wider(String),
}

pub(crate) fn compare(exported: &str, restored: &str, leave: &Leave) -> Comparison {
    let (then, now) = (parse(exported, leave), parse(restored, leave));
    let none = BTreeSet::new();
    let mut wider = Vec::new();
    for (grantee, privileges) in &now {
        let had = then.get(grantee).unwrap_or(&none);
        let more: Vec<&str> = privileges.difference(had).copied().collect();
        if !more.is_empty() {
            wider.push(format!("{grantee} {}", more.join(", ")));
        }
    }
    match wider.is_empty() {
        false => Comparison::Wider(wider.join("; ")),
        true if then == now => Comparison::Same,
        true => Comparison::Less,
    }
}

/// The lines of those grantees, and of those that another text has, too.
pub(crate) fn only_of(text: &str, other: &str, grantees: &BTreeSet<String>) -> String {
    let of_other: BTreeSet<&str> = lines(other).map(|(grantee, _)| grantee).collect();
    let kept = lines(text)
        .filter(|(grantee, _)| of_other.contains(grantee) || grantees.contains(*grantee));
    let kept = kept.map(|(grantee, list)| format!("{grantee} {list}"));
    kept.collect::<Vec<_>>().join("\n")
}

/// Each grantee, and what it is granted.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (grantee, after) = split_grantee(rest)?;
        let (list, next) = after.split_once('\n').unwrap_or((after, ""));
        rest = next;
        Some((grantee, list))
    })
}

fn parse<'a>(text: &'a str, leave: &Leave) -> Grants<'a> {
    let mut grants = Grants::new();
    for (grantee, list) in lines(text) {
        if leave.grantees.iter().any(|one| one == grantee) {
            continue;
        }
        let of = grants.entry(grantee).or_default();
        for privilege in list.split(", ") {
            let plain = privilege.trim_end_matches('*');
            if !(leave.maintain && plain == "MAINTAIN") {
                of.extend([privilege, plain]);
            }
        }
    }
    grants.retain(|_, privileges| !privileges.is_empty());
    grants
}

/// A quoted name may hold spaces and line breaks.
fn split_grantee(text: &str) -> Option<(&str, &str)> {
    let end = match text.strip_prefix('"') {
        None => text.find(' ')?,
        Some(_) => {
            let mut quotes = 0;
            let is_end = |c: char| {
                quotes += usize::from(c == '"');
                c == ' ' && quotes % 2 == 0
            };
            text.find(is_end)?
        }
    };
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_more_is_named() {
        let none = Leave::default();
        let same = |a, b| compare(a, b, &none);
        let then = "OWNER SELECT, UPDATE\n\"a\nb c\" SELECT";
        assert_eq!(same(then, then), Comparison::Same);
        assert_eq!(same(then, "OWNER SELECT, UPDATE"), Comparison::Less);
        let wider = Comparison::Wider("PUBLIC SELECT".to_owned());
        assert_eq!(same("OWNER SELECT", "PUBLIC SELECT"), wider);
        let option = Comparison::Wider("\"a\nb c\" SELECT*".to_owned());
        let now = "OWNER SELECT, UPDATE\n\"a\nb c\" SELECT*";
        assert_eq!(same(then, now), option);
        assert_eq!(same(now, then), Comparison::Less);
        assert_eq!(
            same("", "app SELECT"),
            Comparison::Wider("app SELECT".to_owned())
        );
    }

    #[test]
    fn a_later_version_and_a_drill_add_nothing() {
        let leave = Leave {
            maintain: true,
            grantees: vec!["drill_1".to_owned()],
        };
        let now = "OWNER MAINTAIN, SELECT\ndrill_1 USAGE*";
        assert_eq!(compare("OWNER SELECT", now, &leave), Comparison::Same);
    }

    #[test]
    fn of_a_parameter_only_what_somebody_of_ours_has_is_kept() {
        let ours = BTreeSet::from(["app".to_owned()]);
        let now = "\"a\nb\" SET\nPUBLIC SET\napp SET\nother SET";
        let kept = only_of(now, "other ALTER SYSTEM", &ours);
        assert_eq!(kept, "app SET\nother SET");
    }
}
